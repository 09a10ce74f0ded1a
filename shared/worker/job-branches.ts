/** Branches below a step of a claimed job: made from its route, or from another route of the tenant, and woken. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { RouteCache } from '#shared/definitions/route-cache.ts';
import type { CompiledRoute } from '#shared/definitions/routes/compile-route.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';
import { effectSeed } from '#shared/jobs/job-id.ts';
import { newJob } from '#shared/jobs/new-job.ts';
import type { BranchState, NewBranch } from '#shared/jobs/start-branches.ts';
import type { StepBranches } from '#shared/steps/step-context.ts';
import type { JobCommits } from './job-commits.ts';
import type { JobPosition } from './next-move.ts';

/** Levels of routes that run each other. */
const MOST_LEVELS = 5;

export interface JobBranchesOptions {
  readonly sql: Sql;
  readonly routes: Pick<RouteCache, 'find'>;
  readonly commits: Pick<JobCommits, 'startBranches'>;
}

export function createJobBranches(options: JobBranchesOptions) {
  const { sql, routes, commits } = options;

  return (job: ClaimedJob, position: JobPosition, route: CompiledRoute): StepBranches => {
    const start = async (branches: readonly NewBranch[]): Promise<readonly BranchState[]> => {
      const { stepSeq, object, outputs: inputs } = position;
      const started = await commits.startBranches({
        jobId: job.id,
        epoch: job.epoch,
        stepSeq,
        branches,
        object,
        inputs,
      });
      if (started === undefined) throw new LongshoreError('LEASE_LOST', 'The job is no longer this worker’s.');
      return started.branches;
    };

    function branchOf(
      compiled: CompiledRoute,
      { routeId, routeVersionId }: Pick<ClaimedJob, 'routeId' | 'routeVersionId'>,
      branch: string | null,
    ) {
      const {
        isOrdered: _isOrdered,
        headFailure: _headFailure,
        ...first
      } = newJob(
        { routeId, routeVersionId, route: { ...compiled, priority: job.lane } },
        { isLarge: job.isLarge, priority: job.lane, of: [effectSeed(job.id), position.stepSeq, branch] },
      );
      return { ...first, branch };
    }

    async function findRoute(name: string) {
      const [found] = await sql<{ routeId: string; routeVersionId: string }[]>`
        SELECT r.id AS "routeId", v.id AS "routeVersionId" FROM routes r
        JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
        WHERE r.tenant_id = ${job.tenantId} AND r.name = ${name} AND r.disabled_at IS NULL AND r.removed_at IS NULL`;
      return found;
    }

    return {
      start: () =>
        start([...route.branchesAt(position.stepSeq)].map(([name, compiled]) => branchOf(compiled, job, name))),
      async run(name) {
        // Whatever the route is now, one that was started goes on.
        const there = await start([]);
        if (there.length > 0) return there;
        if (job.depth >= MOST_LEVELS)
          return { cause: 'RUN_TOO_DEEP', message: `${name} would be run ${MOST_LEVELS + 1} levels deep.` };
        const ids = await findRoute(name);
        if (ids === undefined)
          return {
            cause: 'NOT_FOUND',
            message: `The tenant ${job.tenantId} has no active route ${name}; apply it, then retry the job.`,
          };
        const found = await routes.find(ids.routeVersionId);
        if (!found.ok) return { cause: found.cause, message: found.message };
        return await start([branchOf(found.route, ids, null)]);
      },
    };
  };
}
