/** `publish`: word of the file, or its rows, as messages of the tenant's own queue or topic. */
import { z } from 'zod';
import { endpointSchema } from '#shared/definitions/endpoint-schema.ts';
import { secretNameSchema } from '#shared/definitions/name-schemas.ts';
import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import type { StepOptionsKind } from '../step-options.ts';

const regionSchema = z
  .string()
  .regex(/^[a-z0-9-]{1,32}$/, 'must be a region such as us-east-1')
  .default('us-east-1');

const groupSchema = z.string().superRefine((template, context) => {
  const compiled = compileNameTemplate(template);
  if (!compiled.ok) context.addIssue({ code: 'custom', message: compiled.message });
});

const publishOptionsSchema = z
  .strictObject({
    to: z.enum(['sqs', 'sns']),
    /** URL of the queue, ARN of the topic. */
    target: z.string().min(1).max(500),
    region: regionSchema,
    /** That of AWS in the region when absent. */
    endpoint: endpointSchema.optional(),
    /** JSON in the secret store: `accessKeyId`, `secretAccessKey` and, of a session, `sessionToken`. */
    credentials: secretNameSchema,
    per: z.enum(['file', 'record']).default('file'),
    /** Of FIFO queues and topics: what is in one group keeps its order. Template. */
    group: groupSchema.default('{{ tenant }}'),
    /** Said by who takes a message twice, which only FIFO queues and topics rule out. */
    duplicates: z.literal('allowed').optional(),
  })
  .superRefine(({ to, target, duplicates }, context) => {
    const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    const isTarget = to === 'sqs' ? /^https?:\/\/[^\s?#]+$/ : /^arn:[\w-]+:sns:[\w-]*:\d*:[\w.-]+$/;
    if (!isTarget.test(target))
      fault('target', to === 'sqs' ? 'must be the URL of a queue' : 'must be the ARN of a topic');
    if (!isFifo(target) && duplicates === undefined)
      fault(
        'duplicates',
        'this target can receive a message twice after a lost reply: say `duplicates: allowed`, or use a FIFO one',
      );
  });
export type PublishOptions = z.output<typeof publishOptionsSchema>;

export function isFifo(target: string): boolean {
  return target.endsWith('.fifo');
}

export const publishOptions: StepOptionsKind<PublishOptions> = {
  kind: 'publish',
  schema: publishOptionsSchema,
  classOf: ({ per }, isLarge) => (per === 'record' && isLarge ? 'long' : 'short'),
};
