/** For steps that let a person decide: the outcome with which a job is held where it is. Once it is released, `step.isReleased` is true. */
import { HELD, type StepOutcome } from './step-outcome.ts';

/** The release wakes the job; once a day the step looks again. */
const HELD_MS = 86_400_000;

/** `found`: what the person is to judge. */
export function holdJob(found: Readonly<Record<string, unknown>>, afterMs = HELD_MS): StepOutcome {
  return { type: 'wait', afterMs, reason: HELD, output: found };
}
