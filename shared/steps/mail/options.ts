/** `mail`: the file as an attachment, or word of it, by the fleet's own mail server. */
import { z } from 'zod';
import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import type { StepOptionsKind } from '../step-options.ts';

const templateSchema = z.string().superRefine((template, context) => {
  const compiled = compileNameTemplate(template);
  if (!compiled.ok) context.addIssue({ code: 'custom', message: compiled.message });
});

const mailOptionsSchema = z.strictObject({
  to: z.array(z.email().max(254)).min(1).max(20),
  /** Templates. */
  subject: templateSchema.min(1).default('{{ name }}'),
  text: templateSchema.default('{{ path }}'),
  attach: z.boolean().default(true),
  /** Said by who takes a mail twice rather than decide about a lost reply. */
  repeat: z.boolean().default(false),
});
export type MailOptions = z.output<typeof mailOptionsSchema>;

export const mailOptions: StepOptionsKind<MailOptions> = {
  kind: 'mail',
  schema: mailOptionsSchema,
  // An attachment is held in memory: it is small, whatever the fleet calls large.
  classOf: () => 'short',
};
