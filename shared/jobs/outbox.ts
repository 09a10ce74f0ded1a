/**
 * The way out for events: rows are leased, published, and deleted once the topic took them. A publisher that dies in between
 * publishes them again with the same ids: subscribers see an event at least once and tell repeats by `id`. Rows for tenants' channels
 * go another way (`shared/notices/notice-transitions.ts`).
 */

import type { Sql } from '#shared/db/connect-database.ts';
import { literalLimit } from '#shared/db/literal-limit.ts';
import { isForTopics } from '#shared/notices/notice-transitions.ts';
import type { TopicId } from '#shared/runtime/config/resource-names.ts';

export interface OutboxRow {
  readonly eventId: string;
  readonly topic: TopicId;
  readonly body: unknown;
}

/** Takes the oldest free rows for `leaseMs`. */
export async function leaseOutbox(sql: Sql, options: { limit: number; leaseMs: number }): Promise<OutboxRow[]> {
  return await sql<OutboxRow[]>`
    WITH free AS (
      SELECT event_id, topic FROM outbox WHERE ${isForTopics(sql)} AND (locked_until IS NULL OR locked_until < now())
      ORDER BY created_at LIMIT ${literalLimit(sql, options.limit)} FOR UPDATE SKIP LOCKED)
    UPDATE outbox o SET locked_until = now() + ${options.leaseMs}::int * interval '1 ms'
    FROM free WHERE o.event_id = free.event_id AND o.topic = free.topic
    RETURNING o.event_id AS "eventId", o.topic, o.body`;
}

/** Deletes what its topic took. */
export async function deleteFromOutbox(sql: Sql, rows: readonly Pick<OutboxRow, 'eventId' | 'topic'>[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    DELETE FROM outbox o
    USING unnest(${rows.map((row) => row.eventId)}::uuid[], ${rows.map((row) => row.topic)}::text[]) AS done(event_id, topic)
    WHERE o.event_id = done.event_id AND o.topic = done.topic`;
}

/** Rows waiting, and the age of the oldest in seconds. */
export async function outboxLag(sql: Sql): Promise<{ rows: number; oldestSeconds: number }> {
  const [row] = await sql<{ rows: number; oldestSeconds: number }[]>`
    SELECT count(*)::int AS rows, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldestSeconds" FROM outbox`;
  return row ?? { rows: 0, oldestSeconds: 0 };
}
