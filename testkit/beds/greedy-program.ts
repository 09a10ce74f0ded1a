/** A program for `confined-program.test.ts`: does what foreign text may make a program do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { answerQuestions } from '#shared/confined/answer-questions.ts';

export type Greed =
  | 'a loop'
  | 'one large allocation'
  | 'many small allocations'
  | 'a long text'
  | 'buffers'
  | 'a deep stack'
  | 'a fault'
  | 'a wait'
  | 'a while'
  | 'a kill'
  | 'a signal'
  | 'nothing';

const ACTS: Readonly<Record<Greed, () => unknown>> = {
  'a loop': () => {
    for (;;);
  },
  'one large allocation': () => new Array(30_000_000).fill(1.5),
  'many small allocations': () => {
    for (const kept: object[] = []; ; ) kept.push({ kept: kept.length });
  },
  'a long text': () => 'ab'.repeat(2 ** 27).toUpperCase(),
  buffers: () => {
    for (const kept: Buffer[] = []; ; ) kept.push(Buffer.alloc(1_048_576, 1));
  },
  'a deep stack': function deeper(): unknown {
    return [deeper()];
  },
  'a fault': () => {
    throw new TypeError('it is not as it should be');
  },
  'a wait': () => sleep(600_000),
  /** A second and a half of the processor. */
  'a while': () => {
    const before = process.threadCpuUsage();
    for (let used = 0; used < 1_500_000; ) {
      const { user, system } = process.threadCpuUsage(before);
      used = user + system;
    }
  },
  'a kill': () => {
    process.kill(process.pid, 'SIGKILL');
    return sleep(600_000);
  },
  'a signal': () => {
    process.kill(process.pid, 'SIGINT');
    process.kill(process.pid, 'SIGTERM');
    return sleep(50);
  },
  nothing: () => undefined,
};

answerQuestions(async (greed: Greed) => {
  await ACTS[greed]();
  return process.pid;
});
