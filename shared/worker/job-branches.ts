/**
 * Branches below a step of a claimed job: made from its route, or from another route of the tenant, and run here or woken.
 *
 * 1. New branches whose first step this worker takes begin in its hands (`branches-in-hand.ts`); the others wait for their wake-up.
 * 2. At the first try of the step there are none yet: those that begin here need no row for it (`unwritten-branch.ts`). Another route does,
 *    since the next try continues with the version that was begun.
 * 3. Where all of them ended here, nobody asks the database what happened to them; otherwise it is asked again.
 */
import pLimit from 'p-limit';
import type { Sql } from '#shared/db/connect-database.ts';
import type { RouteCache } from '#shared/definitions/route-cache.ts';
import type { CompiledRoute } from '#shared/definitions/routes/compile-route.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';
import { effectSeed, madeAt } from '#shared/jobs/job-id.ts';
import { newJob } from '#shared/jobs/new-job.ts';
import type { BranchState, NewBranch } from '#shared/jobs/start-branches.ts';
import { FIRST_EPOCH } from '#shared/jobs/store-outcomes.ts';
import type { StepBranches, StepClass } from '#shared/steps/step-context.ts';
import type { BranchesInHand, BranchInHand } from './branches-in-hand.ts';
import type { AskedBranches, JobCommits } from './job-commits.ts';
import type { Lease } from './lease-keeper.ts';
import type { JobPosition } from './next-move.ts';
import type { TryRequest } from './try-step.ts';
import { createUnwrittenBranch } from './unwritten-branch.ts';

/** Levels of routes that run each other. */
const MOST_LEVELS = 5;

export interface JobBranchesOptions {
  readonly sql: Sql;
  readonly routes: Pick<RouteCache, 'find'>;
  readonly commits: Pick<JobCommits, 'startBranches' | 'storeOutcome'>;
  readonly kinds: ReadonlySet<string>;
  readonly workerClass: StepClass;
  readonly inHand: BranchesInHand;
  readonly hold: (branch: ClaimedJob, askedAtMs: number) => Lease;
}

interface Gathered {
  readonly rows: NewBranch[];
  readonly answer: Promise<AskedBranches>;
}

interface Planned {
  readonly row: NewBranch;
  readonly isHere: boolean;
}

export function createJobBranches(options: JobBranchesOptions) {
  const { sql, routes, commits, kinds, workerClass, inHand, hold } = options;

  return (request: TryRequest, route: CompiledRoute): StepBranches => {
    const { job, position } = request;

    // One at a time: of two that name one parent, a statement takes the last.
    const oneByOne = pLimit(1);

    const ask = (branches: readonly NewBranch[]) => oneByOne(() => askNow(branches));

    async function askNow(branches: readonly NewBranch[]): Promise<AskedBranches> {
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

    let gathered: Gathered | undefined;

    /** Those of branches that begin side by side are written together. */
    function gather(): Gathered {
      const rows: NewBranch[] = [];
      const answer = oneByOne(() => {
        gathered = undefined;
        return askNow(rows);
      });
      return { rows, answer };
    }

    async function writeRow(row: NewBranch): Promise<number> {
      gathered ??= gather();
      gathered.rows.push({ ...row, isClaimed: true });
      const { claimed, askedAtMs } = await gathered.answer;
      if (claimed.every(({ id }) => id !== row.id))
        throw new LongshoreError('LEASE_LOST', 'The branch is no longer this worker’s.');
      return askedAtMs;
    }

    function unwrittenBranch(row: NewBranch, branch: string): BranchInHand {
      const { queue, stepCount, maxAttempts } = row;
      const { stepSeq, object, outputs: inputs } = position;
      const claimed = claimedBranch({ job, position, row, epoch: FIRST_EPOCH, claimedAt: job.claimedAt });
      const unwritten = createUnwrittenBranch({
        row: {
          branch,
          queue,
          stepCount,
          maxAttempts,
          parent: { id: job.id, epoch: job.epoch, stepSeq, object, inputs },
        },
        lease: request.lease,
        writeRow: () => writeRow(row),
        hold: (askedAtMs) => hold(claimed, askedAtMs),
        storeOutcome: (outcome) => commits.storeOutcome(outcome),
      });
      return { job: claimed, unwritten };
    }

    async function start(planned: readonly Planned[], isWaiting: boolean): Promise<readonly BranchState[]> {
      const isUnwritten = ({ isHere, row }: Planned) =>
        isHere && isWaiting && row.branch !== null && position.tries === 1 && !job.sharesPlace;
      const unwritten = planned.flatMap((each) => {
        const { branch } = each.row;
        return branch !== null && isUnwritten(each) ? [unwrittenBranch(each.row, branch)] : [];
      });
      const rows = planned.flatMap((each) =>
        isUnwritten(each) ? [] : [{ ...each.row, isClaimed: each.isHere && isWaiting }],
      );
      const started = rows.length === 0 ? undefined : await ask(rows);
      const branches = [...unwritten, ...(started === undefined ? [] : claimedIn(started, rows))];
      if (branches.length === 0) return started?.branches ?? [];
      const ended = await inHand.run(request, branches, started?.askedAtMs ?? 0);
      if (planned.every(({ row }) => ended.has(row.id))) return [...ended.values()];
      const there = (await ask([])).branches;
      // One that could not be written is made again.
      const missing = planned.filter(({ row }) => there.every(({ branch }) => branch !== row.branch));
      return [...there, ...missing.map(({ row }) => unknownState(row))];
    }

    function claimedIn({ claimed, claimedAt }: AskedBranches, rows: readonly NewBranch[]): BranchInHand[] {
      return claimed.flatMap(({ id, epoch }) => {
        const row = rows.find((each) => each.id === id);
        return row === undefined ? [] : [{ job: claimedBranch({ job, position, row, epoch, claimedAt }) }];
      });
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
        {
          ...{ isLarge: job.isLarge, priority: job.lane, madeAt: madeAt(job.id) },
          of: [effectSeed(job.id), position.stepSeq, branch],
        },
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
        // Whatever the route is now, one that was started continues.
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

function unknownState({ id, branch }: NewBranch): BranchState {
  return { jobId: id, branch, state: 'PENDING', code: null, cause: null, message: null, quietMs: 0, outputs: {} };
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
    stepTries: position.tries === 1 ? 1 : 2,
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
