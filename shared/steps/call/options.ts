/**
 * `call`: one operation of one partner, for each record of the file.
 *
 * A route names one `call` for each operation; the job has all of them as one step, within which every record walks from call to call.
 */
import { z } from 'zod';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import type { StepOptionsKind } from '../step-options.ts';

/** Rows that could not be read have it, and it must continue to say so. */
const CODE_OF_PARSE = 'PARSE_ERROR';

const callOptionsSchema = z
  .strictObject({
    partner: idSchema,
    operation: idSchema,
    /** Of a record that this call failed, whatever the reason. */
    code: z
      .string()
      .regex(/^[A-Z][A-Z0-9_]{1,62}$/, 'must be upper-case letters, digits and "_", e.g. VALIDATION_ERROR')
      .refine((code) => code !== CODE_OF_PARSE, { error: `${CODE_OF_PARSE} is the code of rows that cannot be read` }),
    /** What later calls find its reply under; the operation when absent. */
    name: idSchema.optional(),
  })
  .transform((call) => ({ ...call, name: call.name ?? call.operation }));
export type CallOptions = z.output<typeof callOptionsSchema>;

export const callOptions: StepOptionsKind<CallOptions> = {
  kind: 'call',
  schema: callOptionsSchema,
  classOf: () => 'short',
};

export interface CompiledCall extends CallOptions {
  /** Among the calls, from 0, as in `records.step`. */
  readonly seq: number;
}

/** What the job step `call` is given: all calls of its route. */
export interface CallStepOptions {
  readonly calls: readonly CompiledCall[];
}
