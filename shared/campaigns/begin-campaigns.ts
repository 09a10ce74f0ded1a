/**
 * Campaigns whose file is there get their job: of the campaign's id, on the campaign's route. Done twice, the second time changes nothing.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { compileRoute } from '#shared/definitions/routes/compile-route.ts';
import { newJob } from '#shared/jobs/new-job.ts';
import { resendJobs } from '#shared/jobs/resend-jobs.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { findBeginnable, noteBegun } from './campaign-store.ts';

const AT_ONCE = 100;

export interface BegunCampaigns {
  /** To be woken now; others are let in by the clocks. */
  readonly jobs: readonly WokenJob[];
  readonly count: number;
}

export async function beginCampaigns(
  sql: Sql,
  { actor, window }: { readonly actor: string; readonly window?: number | undefined },
): Promise<BegunCampaigns> {
  const found = await findBeginnable(sql, AT_ONCE);
  if (found.length === 0) return { jobs: [], count: 0 };
  const runs = found.map(({ id, routeId, routeVersionId, definition, fileId, isLarge, priority }) => ({
    ...newJob({ routeId, routeVersionId, route: compileRoute(definition) }, { isLarge, priority }),
    ...{ id, fileId, after: null },
  }));
  const made = await resendJobs(sql, { runs, actor, reason: 'campaign' }, window);
  await noteBegun(
    sql,
    found.map(({ id }) => id),
  );
  return { jobs: made.filter(({ isWoken }) => isWoken), count: found.length };
}
