/** What the engines of jobs and of records have in common: the leases of what they work on, and the routes that it goes by. */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { renewLeases } from '#shared/jobs/renew-leases.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { JobMetrics } from './job-metrics.ts';
import { LeaseKeeper } from './lease-keeper.ts';

export interface LeasesOptions {
  readonly sql: Sql;
  readonly leaseMs: number;
  readonly metrics: Pick<JobMetrics, 'leasesLost'>;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export function openLeases({ sql, leaseMs, metrics, logger, now }: LeasesOptions) {
  const keeper = new LeaseKeeper({
    leaseMs,
    // Two tries without an answer fit into what is left of a lease when its renewal begins: by the second, the database is away.
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
  return { keeper, routes };
}
