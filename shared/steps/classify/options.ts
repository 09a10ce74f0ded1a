/** `classify`: what a file is by its content, and whether it holds sensitive data. */
import { z } from 'zod';
import { SENSITIVE_KINDS } from '#shared/content/classify/sensitive-data.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import type { StepOptionsKind } from '../step-options.ts';

const MIB = 1024 ** 2;

const classifyOptionsSchema = z.strictObject({
  /** Types as extensions: `csv`, `pdf`, `zip`; all of them when absent. */
  allow: z
    .array(z.string().regex(/^[a-z0-9.]{1,16}$/, 'must be an extension such as csv'))
    .min(1)
    .max(100)
    .optional(),
  /** A file of another type, or one whose name says another type. */
  onOther: z.enum(['quarantine', 'hold', 'fail']).default('quarantine'),
  /** What is counted in text. */
  sensitive: z.array(z.enum(SENSITIVE_KINDS)).min(1).max(SENSITIVE_KINDS.length).optional(),
  onSensitive: z.enum(['note', 'hold', 'quarantine']).default('note'),
  /** Looked at, from the beginning. */
  upTo: sizeSchema.default(10 * MIB),
});
export type ClassifyOptions = z.infer<typeof classifyOptionsSchema>;

export const classifyOptions: StepOptionsKind<ClassifyOptions> = {
  kind: 'classify',
  schema: classifyOptionsSchema,
  classOf: () => 'short',
  simulate({ allow, onOther, sensitive, onSensitive }) {
    const types =
      allow === undefined ? 'look at its type' : `${onOther} it unless its content is ${allow.join(' or ')}`;
    const data =
      sensitive === undefined
        ? ''
        : `, count ${sensitive.join(', ')}${onSensitive === 'note' ? '' : ` and ${onSensitive} it when there is any`}`;
    return { would: `${types}${data}` };
  },
};
