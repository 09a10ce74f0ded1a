/**
 * `parallel`: starts the job's branches, waits for them without a slot, and says what happened to each.
 *
 * 1. A branch is its own job: it retries, waits and fails on its own, and works on the bytes that the job has here. What it makes of them
 *    stays in the branch.
 *    Short ones begin in the hands of the job's worker: where all of them end there, the job does not wait at all. Of `any` the first to succeed
 *    is not to wait for the others, so each takes the way of the queue.
 * 2. Reopening the job reopens the branches that failed; those that succeeded are not repeated.
 */
import { quarantines } from '#shared/jobs/quarantine.ts';
import type { BranchState } from '#shared/jobs/start-branches.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed } from '../step-failure.ts';
import { ANY_BRANCH, BRANCHES, type StepOutcome } from '../step-outcome.ts';
import { type ParallelOptions, parallelOptions } from './options.ts';

/** Only a net: the branch that ends last wakes the job. After a kill in between it is found as late again as the branches were quiet. */
const SOONEST_LOOK_MS = 5_000;
const LATEST_LOOK_MS = 300_000;

export const parallelStep: StepKind<ParallelOptions> = {
  kind: parallelOptions.kind,
  classOf: parallelOptions.classOf,
  async run({ options, branches }: StepContext<ParallelOptions>): Promise<StepOutcome> {
    if (branches === undefined) return failed('BRANCH_ERROR', 'STEP_INPUT_MISSING', 'This worker starts no branches.');
    const states = await branches.start(options.join === 'all');
    return outcomeOf(states, options);
  },
};

/** Pure: the same for any order in which branches end, and for any number of looks at them. */
export function outcomeOf(
  states: readonly BranchState[],
  { join, onFailure }: Pick<ParallelOptions, 'join' | 'onFailure'>,
): StepOutcome {
  const open = states.filter(({ state }) => state === 'PENDING' || state === 'RUNNING' || state === 'WAITING');
  const succeeded = states.filter(({ state }) => state === 'SUCCEEDED');
  const output = { branches: Object.fromEntries(states.map((state) => [state.branch ?? '', describe(state)])) };
  const isJoined = join === 'any' ? succeeded.length > 0 || open.length === 0 : open.length === 0;
  if (!isJoined) {
    const quietMs = Math.min(...states.map((state) => state.quietMs));
    const afterMs = Math.min(Math.max(SOONEST_LOOK_MS, quietMs), LATEST_LOOK_MS);
    return { type: 'wait', afterMs, reason: join === 'any' ? ANY_BRANCH : BRANCHES };
  }
  const unsuccessful = states.length - succeeded.length;
  // What must not continue with one branch must not with any, whatever the route says of failures.
  const infected = states.find(({ cause }) => quarantines(cause));
  const isFailure = join === 'any' ? succeeded.length === 0 : unsuccessful > 0;
  if (infected === undefined && (!isFailure || onFailure === 'continue')) return { type: 'succeeded', output };
  const named = states
    .filter(({ state }) => state !== 'SUCCEEDED')
    .map(({ branch, code, cause }) => `${branch ?? ''} (${[code, cause].filter((part) => part !== null).join(' ')})`);
  const message = `${unsuccessful} of ${states.length} branches did not succeed: ${named.join(', ')}. Retry this job to repeat them.`;
  const cause = infected?.cause ?? 'BRANCH_FAILED';
  return { type: 'failed', code: 'BRANCH_ERROR', cause, message, output };
}

function describe({ jobId, state, code, message, outputs }: BranchState) {
  return { job: jobId, state, ...(code !== null && { code, message }), outputs };
}
