import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Greed } from '#testkit/beds/greedy-program.ts';
import { startProcess } from '#testkit/servers/start-process.ts';
import { createConfinedProgram } from './confined-program.ts';

const BOUNDS = {
  program: new URL('../../testkit/beds/greedy-program.ts', import.meta.url),
  heapMb: 32,
  cpuMs: 1_000,
};
const acme = { customer: 'acme' };

const create = (more = {}) => createConfinedProgram<Greed, number>({ ...BOUNDS, ...more });

async function pidOf(asked: ReturnType<ReturnType<typeof create>['ask']>): Promise<number> {
  const answer = await asked;
  if (answer.type !== 'answered') throw new Error(answer.type);
  return answer.answer;
}

/** Its processor time grows: it works on a question. */
async function untilBusy(pid: number): Promise<void> {
  const before = processorTicks(pid);
  await expect.poll(() => processorTicks(pid), { timeout: 60_000, interval: 10 }).toBeGreaterThan(before + 5);
}

/** Of 10 ms. */
function processorTicks(pid: number): number {
  const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '';
  const [user, system] = afterName.split(' ').slice(11);
  return Number(user) + Number(system);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const GREEDY = [
  'a loop',
  'one large allocation',
  'many small allocations',
  'a long text',
  'buffers',
  'a deep stack',
] as const satisfies readonly Greed[];

test('whatever a question takes, its child ends at most, and the next question has an answer', async () => {
  const program = create({ cpuMs: 300 });
  for (const greed of GREEDY) {
    expect([greed, await program.ask(greed, acme)]).toEqual([greed, { type: 'exhausted' }]);
    expect([greed, await program.ask('nothing', acme)]).toMatchObject([greed, { type: 'answered' }]);
  }
});

test('questions have the same child one after the other, each with a budget of its own', async () => {
  const program = create({ cpuMs: 1_000 });
  const pids = new Set<number>();
  for (let at = 0; at < 20; at += 1) pids.add(await pidOf(program.ask('nothing', acme)));
  expect(pids.size).toBe(1);
});

test('one customer waits behind itself, and another is answered meanwhile', async () => {
  const program = create({ cpuMs: 60_000 });
  const gone = new AbortController();
  const first = program.ask('a loop', { ...acme, signal: gone.signal });
  const second = program.ask('nothing', acme);
  expect(await program.ask('nothing', { customer: 'globex' })).toMatchObject({ type: 'answered' });
  expect([program.countOf('acme'), program.countOf('globex')]).toEqual([2, 0]);
  gone.abort(new Error('nobody waits'));
  await expect(first).rejects.toThrow('nobody waits');
  expect(await second).toMatchObject({ type: 'answered' });
  expect(program.countOf('acme')).toBe(0);
});

test('those that wait for their turn hear at once that nobody waits for them', async () => {
  const program = create({ cpuMs: 60_000 });
  const [holder, waiter] = [new AbortController(), new AbortController()];
  const first = program.ask('a loop', { ...acme, signal: holder.signal });
  const second = program.ask('nothing', { ...acme, signal: waiter.signal });
  waiter.abort(new Error('the worker stops'));
  await expect(second).rejects.toThrow('the worker stops');
  expect(program.countOf('acme')).toBe(2);
  holder.abort(new Error('nobody waits'));
  await expect(first).rejects.toThrow('nobody waits');
  await expect.poll(() => program.countOf('acme'), { timeout: 60_000 }).toBe(0);
});

test('forty customers share the children, and each is answered as often as it asks', async () => {
  const program = create({ children: 2 });
  const pids = new Set<number>();
  const asked = Array.from({ length: 120 }, (_, at) =>
    pidOf(program.ask('nothing', { customer: `tenant-${at % 40}` })),
  );
  for (const pid of await Promise.all(asked)) pids.add(pid);
  expect(pids.size).toBe(2);
});

test('a child that is killed amid a question, as a kernel short of memory does, is no verdict on it', async () => {
  const program = create({ cpuMs: 60_000, children: 1 });
  const pid = await pidOf(program.ask('nothing', acme));
  const asked = program.ask('a while', acme);
  await untilBusy(pid);
  process.kill(pid, 'SIGKILL');
  expect(await pidOf(asked)).not.toBe(pid);
});

test('a child that was killed while it was idle costs the next question nothing', async () => {
  const program = create({ children: 1 });
  const pid = await pidOf(program.ask('nothing', acme));
  process.kill(pid, 'SIGKILL');
  expect(await pidOf(program.ask('nothing', acme))).not.toBe(pid);
});

test('a question whose children are always killed is given up with the reason', async () => {
  await expect(create().ask('a kill', acme)).rejects.toMatchObject({
    code: 'READER_LOST',
    message: expect.stringContaining('SIGKILL'),
  });
});

test('a child that was stopped is given up, and another one answers', async () => {
  const program = create({ children: 1, hangMs: 6_000 });
  const pid = await pidOf(program.ask('nothing', acme));
  process.kill(pid, 'SIGSTOP');
  expect(await pidOf(program.ask('nothing', acme))).not.toBe(pid);
  await expect.poll(() => isRunning(pid), { timeout: 60_000 }).toBe(false);
});

test('where no process can be made, no question is at fault', async () => {
  const script = `
    import { openSync } from 'node:fs';
    import { createConfinedProgram } from ${JSON.stringify(new URL('confined-program.ts', import.meta.url))};
    const program = createConfinedProgram({ program: new URL(${JSON.stringify(BOUNDS.program)}), heapMb: 32, cpuMs: 1_000 });
    try { for (;;) openSync('/dev/null'); } catch {}
    console.log(await program.ask('nothing', { customer: 'acme' }).catch((error) => error.code));`;
  const command = `ulimit -n 64 && exec "$0" --input-type=module-typescript --eval "$1"`;
  const child = startProcess(['-c', command, process.execPath, script], { command: 'sh' });
  await child.untilLine(/^DEPENDENCY_UNAVAILABLE$/);
  await child.ended;
});

test('what is late is no fault of the question', async () => {
  expect(await create({ deadlineMs: 2_000 }).ask('a wait', acme)).toEqual({ type: 'late' });
});

test('a fault of the program is thrown, and the next question has an answer', async () => {
  const program = create();
  await expect(program.ask('a fault', acme)).rejects.toThrow('it is not as it should be');
  expect(await program.ask('nothing', acme)).toMatchObject({ type: 'answered' });
});

test('a program that does not start says why, and no question is at fault', async () => {
  const program = create({ program: new URL('absent-program.ts', import.meta.url) });
  await expect(program.ask('nothing', acme)).rejects.toMatchObject({
    code: 'DEPENDENCY_UNAVAILABLE',
    message: expect.stringContaining('absent-program.ts'),
  });
});

test('signals to the whole group of processes end no question', async () => {
  expect(await create().ask('a signal', acme)).toMatchObject({ type: 'answered' });
});

test('a child ends amid its question when the process that asks is killed', async () => {
  const script = `
    import { createConfinedProgram } from ${JSON.stringify(new URL('confined-program.ts', import.meta.url))};
    const program = createConfinedProgram({ program: new URL(${JSON.stringify(BOUNDS.program)}), heapMb: 32, cpuMs: 600_000 });
    console.log((await program.ask('nothing', { customer: 'acme' })).answer);
    await program.ask('a loop', { customer: 'acme' });`;
  const asker = startProcess(['--input-type=module-typescript', '--eval', script]);
  const pid = Number((await asker.untilLine(/^\d+$/))[0]);
  await untilBusy(pid);
  await asker.end('SIGKILL');
  await expect.poll(() => isRunning(pid), { timeout: 60_000 }).toBe(false);
});

test('a child ends when it is idle, and when the process that asks is killed', async () => {
  const pid = await pidOf(create({ idleMs: 1 }).ask('nothing', acme));
  await expect.poll(() => isRunning(pid), { timeout: 60_000 }).toBe(false);

  const script = `
    import { createConfinedProgram } from ${JSON.stringify(new URL('confined-program.ts', import.meta.url))};
    const program = createConfinedProgram({ program: new URL(${JSON.stringify(BOUNDS.program)}), heapMb: 32, cpuMs: 1_000, idleMs: 600_000 });
    console.log((await program.ask('nothing', { customer: 'acme' })).answer);
    if (process.argv.includes('kill')) process.kill(process.pid, 'SIGKILL');`;
  const run = promisify(execFile);
  const args = ['--input-type=module-typescript', '--eval', script];
  const ended = await run(process.execPath, args);
  const killed = (await run(process.execPath, [...args, 'kill']).catch((error: unknown) => error)) as {
    readonly stdout: string;
    readonly signal: string;
  };
  expect(killed.signal).toBe('SIGKILL');
  for (const { stdout } of [ended, killed])
    await expect.poll(() => isRunning(Number(stdout)), { timeout: 60_000 }).toBe(false);
});
