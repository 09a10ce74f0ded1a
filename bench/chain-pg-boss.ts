/** A chain as pg-boss runs it: three queues, each of whose jobs sends the next. */
import { PgBoss } from 'pg-boss';
import { type ChainSide, countdown } from './chain-side.ts';

const SEED_ROWS = 1_000;
/** The shortest that it takes; a full batch is followed by the next at once. */
const POLL_SECONDS = 0.5;

export async function startPgBoss(databaseUrl: string, poolMax: number): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: databaseUrl, max: poolMax, supervise: false, schedule: false });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  return boss;
}

export interface PgBossChainOptions {
  readonly boss: PgBoss;
  /** Beginning of the names of its queues. */
  readonly name: string;
  readonly batchSize: number;
  /** Fetches side by side, of each queue. */
  readonly concurrency: number;
  /** Each job's successor on its own, or those of a batch in one statement. */
  readonly sends: 'one' | 'batch';
}

export async function createPgBossChain(options: PgBossChainOptions): Promise<ChainSide> {
  const { boss, name, batchSize, concurrency, sends } = options;
  const queues = [`${name}-1`, `${name}-2`, `${name}-3`] as const;
  for (const queue of queues) await boss.createQueue(queue);
  let ended = 0;

  async function sendNext(next: string, jobs: readonly { readonly data: object }[]): Promise<void> {
    if (sends === 'one') await Promise.all(jobs.map(({ data }) => boss.send(next, data)));
    else
      await boss.insert(
        next,
        jobs.map(({ data }) => ({ data })),
      );
  }

  return {
    async seed(chains) {
      for (let sent = 0; sent < chains; sent += SEED_ROWS) {
        const jobs = Array.from({ length: Math.min(SEED_ROWS, chains - sent) }, (_, n) => ({ data: { n: sent + n } }));
        await boss.insert(queues[0], jobs);
      }
    },
    start(chains) {
      const chain = countdown(chains);
      const work = queues.map((queue, index) =>
        boss.work<object>(
          queue,
          { batchSize, localConcurrency: concurrency, pollingIntervalSeconds: POLL_SECONDS, burstWhenBatchFull: true },
          async (jobs) => {
            const next = queues[index + 1];
            if (next !== undefined) return await sendNext(next, jobs);
            ended += jobs.length;
            for (const _job of jobs) chain.count();
          },
        ),
      );
      return {
        ended: chain.ended,
        async stop() {
          await Promise.all(work);
          await Promise.all(queues.map((queue) => boss.offWork(queue)));
        },
      };
    },
    countEnded: async () => ended,
  };
}
