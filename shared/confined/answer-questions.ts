/**
 * The child's side of `confined-program.ts`: answers questions one after the other, and ends when whoever asks is gone.
 *
 * A thread of it watches what the process uses, since the code that answers may never give way: it is ended when the question has used
 * more than its processor time, the process more than its memory, or when the process that asks was killed.
 */
import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

export type ChildMessage<Answer> =
  | { readonly type: 'started' }
  | { readonly type: 'answered'; readonly answer: Answer }
  | { readonly type: 'exhausted' }
  /** A fault of the program. */
  | { readonly type: 'failed'; readonly message: string };

export interface Watch {
  /** Processor time of the process, in ms, at which the question has used its own; 0 while there is no question. */
  readonly endsAt: Int32Array;
  readonly mostResidentBytes: number;
  /** The process that asks. */
  readonly askedBy: number;
}

const NO_QUESTION = 0;
/** Node itself, the program, and what lies outside of the heap. */
const BESIDE_HEAP_MB = 256;

export function answerQuestions<Question, Answer>(answer: (question: Question) => Answer | Promise<Answer>): void {
  const [, , heapMb, cpuMs] = process.argv;
  const endsAt = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const watch: Watch = {
    endsAt,
    mostResidentBytes: (Number(heapMb) + BESIDE_HEAP_MB) * 1_048_576,
    askedBy: process.ppid,
  };
  new Worker(new URL('./watch-process.ts', import.meta.url), { workerData: watch });

  async function answered(question: Question): Promise<ChildMessage<Answer>> {
    const { user, system } = process.cpuUsage();
    Atomics.store(endsAt, 0, Math.ceil((user + system) / 1_000) + Number(cpuMs));
    try {
      return { type: 'answered', answer: await answer(question) };
    } catch (error) {
      // A stack, a string or a list would have become too large.
      if (error instanceof RangeError) return { type: 'exhausted' };
      return { type: 'failed', message: error instanceof Error ? String(error.stack) : String(error) };
    } finally {
      Atomics.store(endsAt, 0, NO_QUESTION);
    }
  }

  offerToKernel();
  const send = (message: ChildMessage<Answer>) => process.send?.(message);
  process.on('message', async (question: Question) => send(await answered(question)));
  process.on('disconnect', () => process.exit());
  // They go to a whole group of processes; the one that asks decides when this one ends.
  process.on('SIGINT', ignore).on('SIGTERM', ignore);
  send({ type: 'started' });
}

/** Where memory is short, Linux ends this process before the one that asks. */
function offerToKernel(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Other systems have none.
  }
}

function ignore(): void {}
