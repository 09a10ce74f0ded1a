/**
 * Handles a batch of landing events.
 *
 * 1. An event is acknowledged after what it caused is committed, or when it causes nothing.
 * 2. The events of a flood continue to their own queue (`pass-on-flood.ts`), and are acknowledged when they are there.
 * 3. An event that cannot be decided for want of the object store comes again after a few seconds, and from the DLQ as long as that lasts.
 */
import { type ArrivalReport, toArrivalReport } from '#shared/arrival/arrival-report.ts';
import type { ArrivalResult, TakeArrivals } from '#shared/arrival/take-arrivals.ts';
import { storeMailEvents } from '#shared/campaigns/store-mail-events.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { isSftpEvent, type LandingEvent } from '#shared/messages/landing-events.ts';
import type { Received } from '#shared/queue/define-message.ts';
import type { HandlerContext } from '#shared/queue/dispatcher.ts';
import { acknowledge, type Disposition, leave, release } from '#shared/queue/disposition.ts';
import type { RightOfWay } from '#shared/queue/right-of-way.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { recordSftpActions } from '#shared/sftp/record-sftp-actions.ts';
import type { IngestorMetrics } from './metrics.ts';
import type { PassOnFlood } from './pass-on-flood.ts';

export interface HandleLandingEventsOptions {
  readonly sql: Sql;
  readonly actor: string;
  readonly takeArrivals: TakeArrivals;
  readonly passOnFlood: PassOnFlood;
  readonly isUrgent: (event: LandingEvent) => boolean;
  /** Of what is urgent, over what was passed on. */
  readonly rightOfWay: RightOfWay;
  /** The name in rows of the bucket that an event names. */
  readonly recordedBucket: (bucket: string) => string;
  readonly metrics: Pick<IngestorMetrics, 'events' | 'mailEvents'>;
  readonly logger: Logger;
}

const UNDECIDED_AGAIN_MS = 3_000;

export function createHandleLandingEvents(options: HandleLandingEventsOptions) {
  const { sql, actor, takeArrivals, passOnFlood, isUrgent, rightOfWay, recordedBucket, metrics, logger } = options;
  async function storeMails(received: readonly Received<LandingEvent>[]): Promise<void> {
    const mails = received.flatMap(({ message }) => (message.type === 'mail event' ? [message] : []));
    if (mails.length === 0) return;
    const outcomes = await storeMailEvents(sql, mails);
    for (const outcome of outcomes) metrics.mailEvents.inc({ outcome });
  }

  async function recordActions(received: readonly Received<LandingEvent>[]): Promise<void> {
    const events = received.map(({ message }) => message).filter(isSftpEvent);
    if (events.length > 0) await recordSftpActions(sql, events, { actor, logger });
  }

  async function handle(received: readonly Received<LandingEvent>[], signal: AbortSignal): Promise<Disposition[]> {
    await Promise.all([storeMails(received), recordActions(received)]);
    const reports = received.map(({ message }) => {
      const report = toArrivalReport(message);
      return report && { ...report, bucket: recordedBucket(report.bucket) };
    });
    const results = await takeArrivals(
      reports.filter((report) => report !== undefined),
      signal,
    );
    const remaining = results.values();
    return received.map(({ message, messageId }, index) => {
      const report = reports[index];
      const result = report === undefined ? undefined : remaining.next().value;
      const outcome = outcomeOf(result);
      metrics.events.inc({ event: message.type, outcome });
      const level = result?.type === 'later' || result?.type === 'refused' ? 'warn' : 'info';
      logger[level](
        { event: message.type, messageId, outcome, ...describe(message, report, result) },
        'landing event handled',
      );
      return dispositionOf(result);
    });
  }

  return async (
    received: readonly Received<LandingEvent>[],
    { signal, queue }: Pick<HandlerContext, 'signal' | 'queue'>,
  ): Promise<Disposition[]> => {
    if (queue === 'landing-overflow') return await rightOfWay.after(() => handle(received, signal), signal);
    const passed = await passOnFlood(received, queue);
    const kept = received.filter((one) => !passed.has(one));
    const remaining = (
      kept.some(({ message }) => isUrgent(message))
        ? await rightOfWay.first(() => handle(kept, signal))
        : await handle(kept, signal)
    ).values();
    for (const { message } of passed) metrics.events.inc({ event: message.type, outcome: 'overflow' });
    return received.map((one) => (passed.has(one) ? acknowledge : (remaining.next().value ?? leave)));
  };
}

function outcomeOf(result: ArrivalResult | undefined): string {
  if (result === undefined) return 'other';
  return result.type === 'done' ? result.outcome : result.type;
}

function dispositionOf(result: ArrivalResult | undefined): Disposition {
  if (result === undefined || result.type === 'done') return acknowledge;
  return result.type === 'later' ? release(UNDECIDED_AGAIN_MS) : leave;
}

function describe(
  message: LandingEvent,
  report: ArrivalReport | undefined,
  result: ArrivalResult | undefined,
): Record<string, unknown> {
  if (report === undefined || result === undefined) {
    return message.type === 'other' ? { source: message.source, detailType: message['detail-type'] } : {};
  }
  const { key, sizeBytes } = report;
  if (result.type !== 'done') return { key, sizeBytes, reason: result.reason };
  return { key, sizeBytes, tenant: result.tenantId, fileId: result.fileId, name: result.name };
}
