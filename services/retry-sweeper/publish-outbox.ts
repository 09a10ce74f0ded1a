/**
 * Brings events from the outbox to their topics.
 *
 * 1. A row is deleted after its topic took it; a sweeper that dies in between has it published again, with the same id.
 * 2. What a topic does not take stays, and is tried again when its lease is over; it holds up no other event.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { deleteFromOutbox, leaseOutbox, type OutboxRow } from '#shared/jobs/outbox.ts';
import type { TopicEntry, TopicPublisher } from '#shared/queue/topics.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

export interface PublishOutboxOptions {
  readonly sql: Sql;
  readonly publisher: TopicPublisher;
  readonly metrics: Pick<RetrySweeperMetrics, 'published'>;
  readonly logger: Logger;
}

const ROWS_AT_ONCE = 500;
/** Longer than all tries of one batch of requests. */
const LEASE_MS = 60_000;

/** `again`: a full batch was published, so there may be more. */
export async function publishOutbox({
  sql,
  publisher,
  metrics,
  logger,
}: PublishOutboxOptions): Promise<'again' | 'done'> {
  const rows = await leaseOutbox(sql, { limit: ROWS_AT_ONCE, leaseMs: LEASE_MS });
  if (rows.length === 0) return 'done';
  const results = await publisher.publish(rows.map(toEntry));
  const taken = rows.filter((_, index) => results[index]?.ok === true);
  await deleteFromOutbox(sql, taken);
  const refused = results.find((result) => !result.ok);
  metrics.published.inc({ outcome: 'published' }, taken.length);
  if (refused === undefined) return rows.length === ROWS_AT_ONCE ? 'again' : 'done';
  metrics.published.inc({ outcome: 'refused' }, rows.length - taken.length);
  logger.error({ count: rows.length - taken.length, reason: refused.ok ? '' : refused.reason }, 'events not published');
  return 'done';
}

/** Attributes are for the filter policies of subscriptions. */
function toEntry({ topic, body }: OutboxRow): TopicEntry {
  const { type, tenantId } = body as { readonly type: string; readonly tenantId: string };
  return { topic, message: JSON.stringify(body), attributes: { type, tenantId } };
}
