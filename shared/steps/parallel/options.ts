/** `parallel`: named branches side by side, and how they join. The steps of a branch are checked by the route's schema. */
import { z } from 'zod';
import type { StepOptionsKind } from '../step-options.ts';

/** `fail`: a failed branch fails the job, once all have ended. `continue`: it is kept in the step's output. */
export const onFailureSchema = z.enum(['fail', 'continue']).default('fail');

export const MOST_BRANCHES = 10;

/** @param stepsSchema of one branch; none of its steps is `parallel`. */
export function parallelSchema<Steps extends z.ZodType>(stepsSchema: Steps) {
  return z
    .strictObject({
      /** `all`: the job continues when all branches have ended. `any`: as soon as one has succeeded; the others continue on their own. */
      join: z.enum(['all', 'any']).default('all'),
      onFailure: onFailureSchema,
      branches: z.record(
        z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be lower-case letters, digits and "-"'),
        stepsSchema,
      ),
    })
    .refine(({ branches }) => Object.keys(branches).length >= 2, {
      error: 'needs at least two branches',
      path: ['branches'],
    })
    .refine(({ branches }) => Object.keys(branches).length <= MOST_BRANCHES, {
      error: `has more than ${MOST_BRANCHES} branches`,
      path: ['branches'],
    });
}

const parallelOptionsSchema = parallelSchema(z.array(z.record(z.string(), z.unknown())).min(1).max(20));
export type ParallelOptions = z.infer<typeof parallelOptionsSchema>;

export const parallelOptions: StepOptionsKind<ParallelOptions> = {
  kind: 'parallel',
  schema: parallelOptionsSchema,
  classOf: () => 'short',
};
