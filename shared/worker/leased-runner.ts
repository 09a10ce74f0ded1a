/**
 * What every engine does with a wake-up: claims its row, works on it under the lease, and says what happens to the message.
 *
 * 1. The message is acknowledged once the row left this worker's hands, or when there is nothing to do: a live lease, a row that ended or is
 *    not due. Waiting and retrying hold no message.
 * 2. A lost lease leaves the message as it is: the worker that gets it next finds the row as it is then.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { renewLeases } from '#shared/jobs/renew-leases.ts';
import { acknowledge, type Disposition, leave } from '#shared/queue/disposition.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { endedBy, type Span, type SpanFacts, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { Claim } from './job-commits.ts';
import type { JobMetrics } from './job-metrics.ts';
import { type Lease, LeaseKeeper, type LeaseKind } from './lease-keeper.ts';

export interface LeasedRunnerOptions {
  readonly sql: Sql;
  readonly leaseMs: number;
  readonly metrics: Pick<JobMetrics, 'leasesLost'>;
  readonly tracing: Tracing;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** For traces. */
export interface WakeUpMessage {
  readonly queue?: string | undefined;
  readonly traceparent?: string | undefined;
}

export interface WakeUp extends WakeUpMessage {
  readonly id: string;
  /** Aborted when the worker stops and waits no longer. */
  readonly stop: AbortSignal;
}

export interface LeasedWork<Row> {
  readonly kind: LeaseKind;
  /** E.g. `job`, for logs. */
  readonly name: string;
  /** E.g. `run job`. */
  readonly spanName: string;
  /** Undefined: there is nothing to do. */
  readonly claim: (id: string) => Promise<Claim<Row>>;
  /** In place of its own lease. */
  readonly lease?: Lease | undefined;
  readonly fileIdOf: (row: Row) => string;
  /** For every log line and span of this row. */
  readonly factsOf: (row: Row) => SpanFacts;
  readonly run: (row: Row, at: WorkAt) => Promise<WorkEnd>;
}

export interface WorkAt extends WakeUp {
  readonly askedAtMs: number;
  readonly span: Span;
  readonly logger: Logger;
  /** Holds the lease while `work` continues. */
  readonly underLease: <Result>(work: (lease: Lease) => Promise<Result>) => Promise<Result>;
}

export interface WorkEnd {
  /** Of the summary line, and of the span. */
  readonly fields: SpanFacts;
  readonly spanFields?: SpanFacts;
  /** The span's. */
  readonly fault: string | undefined;
  readonly isLost: boolean;
}

export interface LeasedRunner {
  readonly keeper: LeaseKeeper;
  readonly routes: RouteCache;
  handle<Row extends { readonly id: string; readonly epoch: number }>(
    work: LeasedWork<Row>,
    wakeUp: WakeUp,
  ): Promise<Disposition>;
}

export function createLeasedRunner(options: LeasedRunnerOptions): LeasedRunner {
  const { sql, leaseMs, metrics, tracing, logger, now } = options;
  const keeper = new LeaseKeeper({
    leaseMs,
    // Two tries without an answer fit into what is left of a lease when its renewal begins: by the second, the database is down.
    renew: (held) =>
      repeatOnLostDatabase(() => renewLeases(sql, { ...held, leaseMs }), { deadlineMs: leaseMs / 6, forMs: 0, now }),
    onLost: (kind) => metrics.leasesLost.inc({ kind }),
    logger,
    now,
  });
  const routes = new RouteCache({
    load: (id) =>
      repeatOnLostDatabase(async () => (await loadRouteDefinitions(sql, [id])).get(id)?.definition, {
        deadlineMs: leaseMs / 3,
        forMs: leaseMs / 3,
        now,
      }),
  });

  return {
    keeper,
    routes,
    async handle(work, wakeUp) {
      const startedAt = new Date();
      const startedMs = now();
      const claim = await work.claim(wakeUp.id);
      if (claim === undefined) {
        logger.debug({ id: wakeUp.id }, `nothing to do for ${work.name}`);
        return acknowledge;
      }
      const { row, askedAtMs } = claim;
      const facts = work.factsOf(row);
      const { queue, traceparent } = wakeUp;
      const span = tracing.join(work.fileIdOf(row), work.spanName, {
        ...(queue !== undefined && { queue }),
        ...{ startedAt, traceparent, facts },
      });
      return await endedBy(span, async () => {
        const end = await work.run(row, {
          ...wakeUp,
          askedAtMs,
          span,
          logger: logger.child(facts),
          async underLease(during) {
            const lease = work.lease ?? keeper.hold(work.kind, row, askedAtMs);
            try {
              return await during(lease);
            } finally {
              lease.release();
            }
          },
        });
        span.end({ ...end.fields, ...end.spanFields }, end.fault);
        logger.info({ ...facts, ...end.fields, durationMs: Math.round(now() - startedMs) }, `${work.name} handled`);
        return end.isLost ? leave : acknowledge;
      });
    },
  };
}
