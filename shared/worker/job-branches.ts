/**
 * Branches below a step of a claimed job: made from its route, or from another route of the tenant, and run here or woken.
 *
 * 1. New branches whose first step this worker takes begin in its hands (`branches-in-hand.ts`); the others wait for their wake-up.
 * 2. Where all of them ended here, nobody asks the database what became of them; otherwise it is asked again.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { RouteCache } from '#shared/definitions/route-cache.ts';
import type { CompiledRoute } from '#shared/definitions/routes/compile-route.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';
import { effectSeed } from '#shared/jobs/job-id.ts';
import { newJob } from '#shared/jobs/new-job.ts';
import type { BranchState, NewBranch } from '#shared/jobs/start-branches.ts';
import type { StepBranches, StepClass } from '#shared/steps/step-context.ts';
import type { BranchesInHand } from './branches-in-hand.ts';
import type { AskedBranches, JobCommits } from './job-commits.ts';
import type { JobPosition } from './next-move.ts';
import type { TryRequest } from './try-step.ts';

/** Levels of routes that run each other. */
const MOST_LEVELS = 5;

export interface JobBranchesOptions {
  readonly sql: Sql;
  readonly routes: Pick<RouteCache, 'find'>;
  readonly commits: Pick<JobCommits, 'startBranches'>;
  readonly kinds: ReadonlySet<string>;
  readonly workerClass: StepClass;
  readonly inHand: BranchesInHand;
}

interface Planned {
  readonly row: NewBranch;
  readonly isHere: boolean;
}

export function createJobBranches(options: JobBranchesOptions) {
  const { sql, routes, commits, kinds, workerClass, inHand } = options;

  return (request: TryRequest, route: CompiledRoute): StepBranches => {
    const { job, position } = request;

    async function ask(branches: readonly NewBranch[]): Promise<AskedBranches> {
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
      return started;
    }

    async function start(planned: readonly Planned[], isWaiting: boolean): Promise<readonly BranchState[]> {
      const branches = planned.map(({ row, isHere }) => ({ ...row, isClaimed: isHere && isWaiting }));
      const started = await ask(branches);
      if (started.claimed.length === 0) return started.branches;
      const rows = new Map(branches.map((row) => [row.id, row]));
      const claimed = started.claimed.flatMap(({ id, epoch }) => {
        const row = rows.get(id);
        return row === undefined ? [] : [claimedBranch({ job, position, row, epoch, claimedAt: started.claimedAt })];
      });
      const ended = await inHand.run(request, claimed, started.askedAtMs);
      const states = started.branches.map((state) => ended.get(state.jobId) ?? state);
      const isOver = started.branches.every(({ jobId }) => ended.has(jobId));
      return isOver ? states : (await ask([])).branches;
    }

    function branchOf(
      compiled: CompiledRoute,
      { routeId, routeVersionId }: Pick<ClaimedJob, 'routeId' | 'routeVersionId'>,
      branch: string | null,
    ): Planned {
      const {
        isOrdered: _isOrdered,
        headFailure: _headFailure,
        ...first
      } = newJob(
        { routeId, routeVersionId, route: { ...compiled, priority: job.lane } },
        { isLarge: job.isLarge, priority: job.lane, of: [effectSeed(job.id), position.stepSeq, branch] },
      );
      const isHere = compiled.steps[0]?.classOf(job.isLarge) === workerClass && kinds.has(first.stepKind);
      return { row: { ...first, branch }, isHere };
    }

    async function findRoute(name: string) {
      const [found] = await sql<{ routeId: string; routeVersionId: string }[]>`
        SELECT r.id AS "routeId", v.id AS "routeVersionId" FROM routes r
        JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
        WHERE r.tenant_id = ${job.tenantId} AND r.name = ${name} AND r.disabled_at IS NULL AND r.removed_at IS NULL`;
      return found;
    }

    return {
      start: (isWaiting) =>
        start(
          [...route.branchesAt(position.stepSeq)].map(([name, compiled]) => branchOf(compiled, job, name)),
          isWaiting,
        ),
      async run(name) {
        // Whatever the route is now, one that was started goes on.
        const there = (await ask([])).branches;
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
        return await start([branchOf(found.route, ids, null)], true);
      },
    };
  };
}

interface ToClaim {
  readonly job: ClaimedJob;
  readonly position: JobPosition;
  readonly row: NewBranch;
  readonly epoch: number;
  readonly claimedAt: Date;
}

/** As a claim would answer it: of its file all is known from its parent. */
function claimedBranch({ job, position, row, epoch, claimedAt }: ToClaim): ClaimedJob {
  return {
    ...job,
    id: row.id,
    routeId: row.routeId,
    routeVersionId: row.routeVersionId,
    epoch,
    claimedAt,
    isReleased: false,
    isStepReleased: false,
    held: null,
    stepSeq: 0,
    stepKind: row.stepKind,
    stepAttempts: 1,
    stepTries: 1,
    maxAttempts: row.maxAttempts,
    object: position.object,
    branch: row.branch,
    parentSeq: position.stepSeq,
    depth: job.depth + 1,
    isAbandoned: false,
    inputs: position.outputs,
    outputs: {},
  };
}
