/** `run`: one job below this one, on another route; its outcome is this step's. */
import { outcomeOf } from '../parallel/run.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type RunOptions, runOptions } from './options.ts';

export const runStep: StepKind<RunOptions> = {
  kind: runOptions.kind,
  classOf: runOptions.classOf,
  async run({ options: { route, onFailure }, branches }: StepContext<RunOptions>): Promise<StepOutcome> {
    if (branches === undefined) return failed('BRANCH_ERROR', 'STEP_INPUT_MISSING', 'This worker starts no branches.');
    const states = await branches.run(route);
    if ('cause' in states) return failed('BRANCH_ERROR', states.cause, states.message);
    const outcome = outcomeOf(
      states.map((state) => ({ ...state, branch: route })),
      { join: 'all', onFailure },
    );
    if (outcome.type !== 'succeeded' && outcome.type !== 'failed') return outcome;
    const [below] = states;
    return { ...outcome, output: { route, job: below?.jobId, state: below?.state, outputs: below?.outputs ?? {} } };
  },
};
