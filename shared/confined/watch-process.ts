/** The thread of `answer-questions.ts`: kills its process when that has used what a question may use. */
import { workerData } from 'node:worker_threads';
import type { Watch } from './answer-questions.ts';

const LOOK_MS = 50;

const { endsAt, mostResidentBytes } = workerData as Watch;

setInterval(() => {
  const endsAtMs = Atomics.load(endsAt, 0);
  if (endsAtMs === 0) return;
  const { user, system } = process.cpuUsage();
  if ((user + system) / 1_000 > endsAtMs || process.memoryUsage.rss() > mostResidentBytes)
    process.kill(process.pid, 'SIGKILL');
}, LOOK_MS);
