/** A chain as Longshore runs it: one job of three steps, each stored before the next begins, from a wake-up in a queue to the closed file. */
import type { Sql } from '#shared/db/connect-database.ts';
import { createWakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { JOB_MESSAGES } from '#shared/messages/queue-messages.ts';
import type { QueueMetrics } from '#shared/queue/queue-metrics.ts';
import { QUEUE_SETTINGS } from '#shared/queue/queue-settings.ts';
import type { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createWorker } from '#shared/queue/worker.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { createTestRunner, type FakeStep } from '#testkit/beds/job-runner.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { type ChainSide, countdown } from './chain-side.ts';

const STEPS = ['validate', 'deliver', 'confirm'] as const;
/** As the router takes them. */
const SEED_ROWS = 100;

export interface LongshoreChainOptions {
  readonly sql: Sql;
  readonly client: ReturnType<typeof createSqsClient>;
  readonly queueUrl: string;
  readonly metrics: QueueMetrics;
  readonly slots: number;
}

export async function createLongshoreChain(options: LongshoreChainOptions): Promise<ChainSide> {
  const { sql, client, queueUrl, metrics, slots } = options;
  const logger = createLogger({ service: 'bench', level: 'warn' });
  const senders = createWakeUpSenders({
    client,
    queueUrls: { 'partner-steps': queueUrl },
    fairQueues: false,
    logger,
  });
  const noop: FakeStep = async () => ({ type: 'succeeded' });
  await seedRoutes(sql, { routes: [STEPS] });

  return {
    async seed(chains) {
      for (let sent = 0; sent < chains; sent += SEED_ROWS) {
        const count = Math.min(SEED_ROWS, chains - sent);
        const jobs = await seedFiles(sql, { count, window: chains });
        if ((await senders.sendJobs(jobs)) !== count) throw new Error('not every wake-up was sent');
      }
    },
    start(chains) {
      const chain = countdown(chains);
      const runner = createTestRunner({ sql, steps: Object.fromEntries(STEPS.map((kind) => [kind, noop])) });
      const worker = createWorker({
        queue: 'partner-steps',
        queueUrl,
        client,
        messages: JOB_MESSAGES,
        slots,
        visibilityTimeoutMs: QUEUE_SETTINGS['partner-steps'].visibilityTimeoutSeconds * 1_000,
        deadlineMs: 60_000,
        waitTimeSeconds: 1,
        logger,
        metrics,
        handle: async ({ message }, { signal }) => {
          const disposition = await runner.handle(message, signal);
          chain.count();
          return disposition;
        },
      });
      runner.start();
      worker.start();
      return {
        ended: chain.ended,
        async stop() {
          await worker.stop({ timeoutMs: 5_000 });
          await runner.stop();
        },
      };
    },
    async countEnded() {
      const [row] = await sql<{ ended: number }[]>`SELECT count(*)::int AS ended FROM files WHERE status = 'COMPLETED'`;
      return row?.ended ?? 0;
    },
  };
}
