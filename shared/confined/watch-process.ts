/** The thread of `answer-questions.ts`: ends its process when that has used what a question may use, or the one that asks is gone. */
import { workerData } from 'node:worker_threads';
import type { Watch } from './answer-questions.ts';
import { SPENT_SIGNAL } from './spent-signal.ts';

const LOOK_MS = 50;

const { endsAt, mostResidentBytes, askedBy } = workerData as Watch;

setInterval(() => {
  const endsAtMs = Atomics.load(endsAt, 0);
  if (endsAtMs === 0) return;
  if (process.ppid !== askedBy) process.kill(process.pid, 'SIGKILL');
  const { user, system } = process.cpuUsage();
  if ((user + system) / 1_000 > endsAtMs || process.memoryUsage.rss() > mostResidentBytes)
    process.kill(process.pid, SPENT_SIGNAL);
}, LOOK_MS);
