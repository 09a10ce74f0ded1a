/** `parse`: reads the job's object by the `records:` section of its route; what there is to say is there. */
import { z } from 'zod';
import type { StepOptionsKind } from '../step-options.ts';

const parseOptionsSchema = z.strictObject({});
export type ParseOptions = z.infer<typeof parseOptionsSchema>;

export const parseOptions: StepOptionsKind<ParseOptions> = {
  kind: 'parse',
  schema: parseOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
};
