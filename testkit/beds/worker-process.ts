/**
 * For tests that kill a worker: a process that runs the engine on one job and hangs in its first step, or in the archive copy.
 *
 * Arguments: database URL, job id, lease in ms, `step` or `archive`. Writes `hanging` to standard output once it is there.
 */
import { connectTestDatabase, createTestRunner, neverStops } from './job-runner.ts';

const [url = '', jobId = '', leaseMs = '', where = ''] = process.argv.slice(2);

async function hang(): Promise<never> {
  process.stdout.write('hanging\n');
  return await new Promise(() => setInterval(() => {}, 1_000));
}

const succeed = async () => ({ type: 'succeeded' }) as const;

const runner = createTestRunner({
  sql: connectTestDatabase(url),
  steps: { validate: where === 'step' ? hang : succeed, deliver: succeed, confirm: succeed },
  leaseMs: Number(leaseMs),
  stepDeadlineMs: 600_000,
  worker: `test/${process.pid}`,
  ...(where === 'archive' ? { archive: hang } : {}),
});
runner.start();
await runner.handle({ type: 'job.due', jobId, tenantId: 'acme', wake: 1 }, neverStops);
