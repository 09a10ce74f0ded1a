import { beforeAll, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { notifyChannels } from '#shared/notices/notice-transitions.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { leaseOutbox } from './outbox.ts';

const WAITING = 10_000;

let sql: Sql;
// One connection: it hands in its own statistics.
useTestDatabase(
  (opened) => {
    sql = opened;
  },
  { poolMax: 1 },
);

beforeAll(async () => {
  const fill = (topic: string) => sql`
    INSERT INTO outbox (event_id, topic, body, created_at)
    SELECT gen_random_uuid(), ${topic}, '{"type":"file.queued","tenantId":"acme","data":{}}', now() - n * interval '1 ms'
    FROM generate_series(1, ${WAITING}) AS n`;
  await fill('events');
  await fill('channels');
  await sql`ANALYZE outbox`;
});

async function rowsRead(): Promise<number> {
  await sql`SELECT pg_stat_force_next_flush()`;
  const [row] = await sql<{ read: number }[]>`
    SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS read FROM pg_stat_user_tables WHERE relname = 'outbox'`;
  return row?.read ?? 0;
}

test.each<[string, string, () => Promise<unknown>]>([
  ['channels', 'events', () => notifyChannels(sql, { limit: 10 })],
  ['topics', 'channels', () => leaseOutbox(sql, { limit: 10, leaseMs: 60_000 })],
])('events on their way to %s do not read those that wait for %s, however old', async (_way, others, take) => {
  await sql`UPDATE outbox SET created_at = (SELECT min(created_at) FROM outbox) - interval '1 hour' WHERE topic = ${others}`;
  await sql`ANALYZE outbox`;
  // A prepared statement has its general plan from its sixth time on.
  for (let round = 0; round < 8; round += 1) {
    const before = await rowsRead();
    await take();
    expect((await rowsRead()) - before).toBeLessThan(1_000);
  }
});
