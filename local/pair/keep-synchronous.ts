/**
 * Makes the standby of a pair a synchronous one while it is connected: intents are then committed in both homes before their effect begins,
 * and no effect is forgotten in a failover. While it is down nothing waits for it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface KeptSynchronous {
  /** Idempotent. */
  stop(): Promise<void>;
}

const LOOK_INTERVAL_MS = 500;

export function keepSynchronous(databaseUrl: string, logger: Logger): KeptSynchronous {
  const sql = connectLauncher(databaseUrl);
  const stopping = new AbortController();

  async function look(): Promise<void> {
    const [state] = await sql<{ isConnected: boolean; names: string }[]>`
      SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE state = 'streaming') AS "isConnected",
        current_setting('synchronous_standby_names') AS names`;
    const names = state?.isConnected === true ? '*' : '';
    if (state?.names === names) return;
    await sql.unsafe(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
    await sql`SELECT pg_reload_conf()`;
    logger.info({ isConnected: names !== '' }, 'the standby was connected or lost');
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      // The database restarts, as a rule.
      await look().catch((error: unknown) => logger.warn({ err: error }, 'the standby could not be looked for'));
      await delay(LOOK_INTERVAL_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
      await sql.end({ timeout: 1 });
    },
  };
}
