import { expect, test, vi } from 'vitest';
import { createLogger } from './logger.ts';
import { createOutageGuard } from './pause-on-outage.ts';

const logger = createLogger({ service: 'test', level: 'silent' });

function setUp(probeFails: number) {
  const calls: string[] = [];
  let failsLeft = probeFails;
  const guard = createOutageGuard({
    workers: () => [{ pause: () => void calls.push('pause'), resume: () => void calls.push('resume') }],
    probe: async () => {
      calls.push('probe');
      failsLeft -= 1;
      if (failsLeft >= 0) throw new Error('away');
    },
    logger,
    random: () => 0,
  });
  return { guard, calls };
}

test('pauses while the dependency is away and resumes once it answers', async () => {
  const { guard, calls } = setUp(2);
  guard.suspect();
  expect(guard.isPaused()).toBe(true);
  guard.suspect();
  await vi.waitFor(() => expect(guard.isPaused()).toBe(false), { timeout: 60_000 });
  expect(calls).toEqual(['probe', 'pause', 'probe', 'probe', 'resume']);
});

test('pauses nobody for a failure that is not the dependency’s', async () => {
  const { guard, calls } = setUp(0);
  guard.suspect();
  await vi.waitFor(() => expect(guard.isPaused()).toBe(false), { timeout: 60_000 });
  expect(calls).not.toContain('pause');
});

test('lets go of an outage when it is stopped', async () => {
  const { guard } = setUp(1_000);
  guard.suspect();
  guard.stop();
  await vi.waitFor(() => expect(guard.isPaused()).toBe(false), { timeout: 60_000 });
});
