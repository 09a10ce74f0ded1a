import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test, vi } from 'vitest';
import { type RunningChild, type Supervised, supervise } from '#local/launcher/supervisor.ts';
import { createLogger } from '#shared/runtime/logger.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const backoff = { firstDelayMs: 40, maxDelayMs: 160, stableMs: 60_000 };
const running: Supervised[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((supervised) => supervised.stop()));
});

async function startSleep(): Promise<RunningChild> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const ended = once(child, 'exit').then(() => {});
  return {
    pid: child.pid!,
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
    kill: (signal) => void child.kill(signal),
  };
}

async function superviseSleep(start: () => Promise<RunningChild>): Promise<Supervised> {
  const supervised = await supervise({ name: 'sleep', start, logger, backoff });
  running.push(supervised);
  return supervised;
}

test('a child that is killed is started again, and counted', async () => {
  const supervised = await superviseSleep(startSleep);
  const before = supervised.pid;
  supervised.kill('SIGKILL');
  await vi.waitFor(() => expect(supervised.restarts).toBe(1), { timeout: 60_000 });
  await vi.waitFor(() => expect(supervised.pid).toBeTypeOf('number'), { timeout: 60_000 });
  expect(supervised.pid).not.toBe(before);
});

test('a child that cannot be started again is tried with growing delays until it can', async () => {
  const startedAt: number[] = [];
  const supervised = await superviseSleep(async () => {
    startedAt.push(performance.now());
    if (startedAt.length > 1 && startedAt.length < 5) throw new Error('not yet');
    return startSleep();
  });
  const killedAt = performance.now();
  supervised.kill('SIGKILL');
  await vi.waitFor(() => expect(startedAt).toHaveLength(5), { timeout: 60_000 });
  const pauses = startedAt.slice(1).map((time, index) => time - (index === 0 ? killedAt : startedAt[index]!));
  // Timers fire up to a millisecond early, never more.
  [40, 80, 160, 160].forEach((delayMs, index) => {
    expect(pauses[index]).toBeGreaterThanOrEqual(delayMs - 2);
  });
  expect(supervised.restarts).toBe(4);
});

test('a first start that fails is thrown, not repeated', async () => {
  let starts = 0;
  const start = async (): Promise<RunningChild> => {
    starts += 1;
    throw new Error('cannot');
  };
  await expect(supervise({ name: 'never', start, logger, backoff })).rejects.toThrow('cannot');
  expect(starts).toBe(1);
});

test('a stopped child stays stopped, also when it had just died', async () => {
  let starts = 0;
  const supervised = await superviseSleep(() => {
    starts += 1;
    return startSleep();
  });
  const { pid } = supervised;
  supervised.kill('SIGKILL');
  await supervised.stop();
  expect(supervised.pid).toBeUndefined();
  expect(() => process.kill(pid!, 0)).toThrow();
  expect(starts).toBe(1);
});
