/** `publish`: word of the file, or its rows, as messages of the tenant's own queue, topic, stream or event bus. */
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

const TARGETS = {
  sqs: { pattern: /^https?:\/\/[^\s?#]+$/, name: 'URL of a queue' },
  sns: { pattern: /^arn:[\w-]+:sns:[\w-]*:\d*:[\w.-]+$/, name: 'ARN of a topic' },
  kinesis: { pattern: /^arn:[\w-]+:kinesis:[\w-]*:\d*:stream\/[\w.-]+$/, name: 'ARN of a stream' },
  eventbridge: { pattern: /^arn:[\w-]+:events:[\w-]*:\d*:event-bus\/[\w./-]+$/, name: 'ARN of an event bus' },
} as const;

const publishOptionsSchema = z
  .strictObject({
    to: z.enum(['sqs', 'sns', 'kinesis', 'eventbridge']),
    /** URL of the queue; ARN of the topic, the stream or the bus. */
    target: z.string().min(1).max(500),
    region: regionSchema,
    /** That of AWS in the region when absent. */
    endpoint: endpointSchema.optional(),
    /** JSON in the secret store: `accessKeyId`, `secretAccessKey` and, of a session, `sessionToken`. */
    credentials: secretNameSchema,
    per: z.enum(['file', 'record']).default('file'),
    /** Of FIFO queues and topics: what is in one group keeps its order. Of a stream: it goes to one shard. Template. */
    group: groupSchema.default('{{ tenant }}'),
    /** Said by who takes a message twice, which only FIFO queues and topics rule out. */
    duplicates: z.literal('allowed').optional(),
  })
  .superRefine(({ to, target, duplicates }, context) => {
    const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    const { pattern, name } = TARGETS[to];
    if (!pattern.test(target)) fault('target', `must be the ${name}`);
    if (!isFifo({ to, target }) && duplicates === undefined)
      fault(
        'duplicates',
        'this target can receive a message twice after a lost reply: say `duplicates: allowed`, or use a FIFO one',
      );
  });
export type PublishOptions = z.output<typeof publishOptionsSchema>;

export function isFifo({ to, target }: Pick<PublishOptions, 'to' | 'target'>): boolean {
  return (to === 'sqs' || to === 'sns') && target.endsWith('.fifo');
}

export const publishOptions: StepOptionsKind<PublishOptions> = {
  kind: 'publish',
  schema: publishOptionsSchema,
  classOf: ({ per }, isLarge) => (per === 'record' && isLarge ? 'long' : 'short'),
};
