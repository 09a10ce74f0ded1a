/**
 * Takes in what was heard of objects in landing: resolves it, registers the files, wakes the router. The ingestor does so for events,
 * the sweeper for what a listing shows and for dead letters.
 *
 * 1. The same reports again, in any order and side by side, make no second file.
 * 2. A report is `done` only after what it caused is committed. A wake-up that cannot be sent is left to the sweeper.
 * 3. A row that the database refuses keeps no other row out.
 */
import { type ArrivedObject, type RegisteredFile, registerFiles } from '#shared/jobs/register-files.ts';
import type { WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { NO_TRACING, type Span, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { ArrivalReport } from './arrival-report.ts';
import { type ResolveArrivalsOptions, resolveArrivals } from './resolve-arrivals.ts';

/** What a file is now, or why there is none to speak of. */
type ArrivalOutcome = 'uploaded' | 'queued' | 'quarantined' | 'known' | 'ignored' | 'gone' | 'foreign';

export type ArrivalResult =
  | {
      readonly type: 'done';
      readonly outcome: ArrivalOutcome;
      readonly tenantId?: string;
      readonly fileId?: string;
      readonly name?: string;
    }
  | { readonly type: 'later'; readonly reason: string }
  | { readonly type: 'refused'; readonly reason: string };

/** One result per report, in the same order. @throws the database's errors, when it is down. */
export type TakeArrivals = (reports: readonly ArrivalReport[], signal: AbortSignal) => Promise<ArrivalResult[]>;

export interface TakeArrivalsOptions extends Omit<ResolveArrivalsOptions, 'signal'> {
  readonly senders: Pick<WakeUpSenders, 'sendFiles'>;
  /** The service, for the audit. */
  readonly actor: string;
  readonly tracing?: Tracing;
  readonly logger: Logger;
}

export function createTakeArrivals(options: TakeArrivalsOptions): TakeArrivals {
  const { sql, senders, directory, actor, tracing = NO_TRACING, logger } = options;

  /** A file's trace begins where its row does; what settles it later joins in. */
  function openSpan(
    { id, tenantId, status }: RegisteredFile,
    /** Absent when the row was there before. */
    made: ArrivedObject | undefined,
    startedAt: Date,
  ): Span {
    const facts = { tenant: tenantId, fileId: id, name: made?.name, sizeBytes: made?.sizeBytes, status, actor };
    if (made !== undefined) return tracing.begin(id, 'register file', { startedAt, facts });
    return tracing.join(id, 'settle file', { startedAt, facts });
  }

  return async (reports, signal) => {
    const startedAt = new Date();
    const resolutions = await resolveArrivals(reports, { ...options, signal });
    const objects = resolutions.flatMap((resolution) => (resolution.type === 'register' ? [resolution.object] : []));
    const { files, refused } = await registerFiles(sql, objects, actor);
    const made = new Map(objects.map((object) => [object.id, object]));
    const spans = new Map(files.map((file) => [file.id, openSpan(file, made.get(file.id), startedAt)]));
    const settled = files.filter(({ status }) => status === 'QUEUED');
    await senders.sendFiles(
      settled.map((file) => ({
        ...file,
        isUrgent: directory.isUrgent(file.tenantId),
        traceparent: spans.get(file.id)?.traceparent,
      })),
    );
    for (const span of spans.values()) span.end();
    if (refused.size > 0) logger.error({ count: refused.size }, 'objects refused by the database');

    const byKey = new Map(files.map((file) => [file.key, file]));
    return resolutions.map((resolution): ArrivalResult => {
      if (resolution.type === 'later' || resolution.type === 'refused') return resolution;
      if (resolution.type === 'nothing') return { type: 'done', outcome: resolution.why };
      const { object } = resolution;
      const reason = refused.get(object.id);
      if (reason !== undefined) return { type: 'refused', reason };
      const { tenantId, name } = object;
      const file = byKey.get(object.key);
      if (file === undefined) return { type: 'done', outcome: 'known', tenantId, name };
      const outcome = file.status.toLowerCase() as ArrivalOutcome;
      return { type: 'done', outcome, tenantId, name, fileId: file.id };
    });
  };
}
