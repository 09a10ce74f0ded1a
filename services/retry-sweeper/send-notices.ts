/**
 * Tells tenants' channels what they want to know.
 *
 * 1. A delivery is deleted after its channel took it; a sweeper that dies in between has it sent again, with the same id.
 * 2. What is not taken has its next try later, 5 s doubling to an hour and no sooner than the receiver asks, and is parked after `mostAttempts`: it
 *    then waits for an operator, and the metric and an event say so.
 * 3. Of one channel few are sent at once: a receiver that hangs costs the others a deadline, not their notices.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { channelSchema, kindOf } from '#shared/definitions/notify-schema.ts';
import {
  gatherDigests,
  type LeasedNotice,
  leaseNotices,
  type NoticeEnd,
  notifyChannels,
  storeNotices,
} from '#shared/notices/notice-transitions.ts';
import type { NoticeSender } from '#shared/notices/send-notice.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

export interface SendNoticesOptions {
  readonly sql: Sql;
  readonly sender: NoticeSender;
  readonly mostAttempts: number;
  readonly metrics: Pick<RetrySweeperMetrics, 'notices'>;
  readonly logger: Logger;
  readonly random?: () => number;
}

const ACTOR = 'retry-sweeper';
const EVENTS_AT_ONCE = 500;
/** One message of a digest; what SNS takes, 256 KiB, holds as many. */
const MOST_IN_DIGEST = 100;
const AT_ONCE = 40;
const AT_ONCE_PER_CHANNEL = 4;
/** Longer than the deadline of one sending. */
const LEASE_MS = 60_000;
const FIRST_DELAY_MS = 5_000;
const MAX_DELAY_MS = 3_600_000;

/** `again`: there may be more. */
export async function sendNotices(options: SendNoticesOptions): Promise<'again' | 'done'> {
  const { sql } = options;
  const taken = await notifyChannels(sql, { limit: EVENTS_AT_ONCE });
  await gatherDigests(sql, { most: MOST_IN_DIGEST });
  const leased = await leaseNotices(sql, { limit: AT_ONCE, limitPerChannel: AT_ONCE_PER_CHANNEL, leaseMs: LEASE_MS });
  const ends = await Promise.all(leased.map((notice) => sendOne(options, notice)));
  await storeNotices(sql, ends, ACTOR);
  return taken === EVENTS_AT_ONCE || leased.length > 0 ? 'again' : 'done';
}

async function sendOne(options: SendNoticesOptions, leased: LeasedNotice): Promise<NoticeEnd> {
  const { id, tenantId, route, channel, attempt } = leased;
  const at = { id, tenantId, route, channel, attempt };
  const facts = { tenant: tenantId, route, channel, noticeId: id, attempt, notices: leased.notices.length };
  const definition = channelSchema.safeParse(leased.definition);
  if (leased.definition === null) return { ...at, end: 'gone' };
  const kind = definition.success ? kindOf(definition.data) : 'unknown';
  const outcome = definition.success
    ? await options.sender.send(leased, definition.data)
    : ({ type: 'failed', cause: 'NOTICE_CHANNEL_INVALID', message: 'The stored definition cannot be used.' } as const);
  if (outcome.type === 'sent') {
    options.metrics.notices.inc({ channel: kind, outcome: 'sent' });
    options.logger.info({ ...facts, outcome: 'sent', missed: outcome.missed }, 'notice sent');
    return { ...at, end: 'gone' };
  }
  const { cause, message } = outcome;
  const end = attempt >= options.mostAttempts ? 'parked' : 'later';
  const afterMs = 'afterMs' in outcome ? outcome.afterMs : undefined;
  // `Retry-After: 0` would spend all tries at once.
  const delayMs = Math.max(afterMs ?? 0, delayOf(attempt, options.random ?? Math.random));
  options.metrics.notices.inc({ channel: kind, outcome: end });
  options.logger.warn({ ...facts, outcome: end, cause, reason: message, delayMs }, 'notice not sent');
  return { ...at, end, delayMs, cause, message };
}

/** At least half of it, so that a receiver that is down is not asked at once again. */
function delayOf(attempt: number, random: () => number): number {
  const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 30));
  return Math.round(delayMs * (0.5 + 0.5 * random()));
}
