/**
 * What a YAML document of a sender may say: who the mails of a tenant's campaigns come from, by which transport, how fast, and what
 * recipients can unsubscribe from.
 *
 * 1. A password is a secret's name.
 * 2. Marketing goes out only where its recipients can unsubscribe, and by SMTP only signed by a key that covers the headers which say so.
 */
import { z } from 'zod';
import { durationSchema } from '#shared/definitions/duration.ts';
import { idSchema, secretNameSchema } from '#shared/definitions/name-schemas.ts';

/** `Name <address>` or an address; no line break ends the header. */
const mailboxSchema = z
  .string()
  .max(320)
  .refine((text) => isMailbox(text), { error: 'must be an address such as Globex Bank <news@mail.globex.example>' });

const shareSchema = z
  .string()
  .regex(/^\d{1,2}(?:\.\d{1,3})?%$/, 'must be a share such as 5% or 0.1%')
  .transform((text) => Number(text.slice(0, -1)) / 100)
  .or(z.number().min(0).max(1));

const topicSchema = z.strictObject({ name: idSchema, class: z.enum(['marketing', 'transactional']) });

const shared = {
  kind: z.literal('sender'),
  tenant: idSchema,
  name: idSchema,
  description: z.string().max(500).optional(),
  from: mailboxSchema,
  replyTo: mailboxSchema.optional(),
  limits: z
    .strictObject({
      /** Over all workers. */
      ratePerSecond: z.number().min(0.1).max(10_000).default(14),
      perDay: z.int().min(1).max(100_000_000).optional(),
      /** Requests side by side, of one worker. */
      concurrency: z.int().min(1).max(200).default(20),
    })
    .default({ ratePerSecond: 14, concurrency: 20 }),
  /** Holds a campaign whose mails come back. */
  guard: z
    .strictObject({
      after: z.int().min(1).default(500),
      hardBounces: shareSchema.default(0.05),
      complaints: shareSchema.default(0.001),
    })
    .default({ after: 500, hardBounces: 0.05, complaints: 0.001 }),
  topics: z.array(topicSchema).min(1).max(50),
  /** Where unsubscribe links lead: a host of the sender's that hands `/u` to the control API. */
  unsubscribe: z.strictObject({ baseUrl: z.url({ protocol: /^https?$/ }).max(200) }).optional(),
  /** Of mails of which nothing is heard for `settleAfter`, while others are heard of: sent once more, or left to a person. */
  onUnknown: z.enum(['leave', 'resend']).default('leave'),
  settleAfter: durationSchema({ minMs: 60_000, maxMs: 259_200_000 }).default(900_000),
  /** From the moment a request is sent; one that is given up leaves its mails in doubt. */
  timeout: durationSchema({ minMs: 1_000, maxMs: 60_000 }).default(30_000),
};

const sesSenderSchema = z.strictObject({
  ...shared,
  transport: z.literal('ses'),
  /** Publishes what happens to each mail. */
  configurationSet: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" and "-"')
    .optional(),
  /** Publishes opens and clicks too; of campaigns that ask for `track`. */
  trackingSet: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" and "-"')
    .optional(),
  /** Mails of one request. Above some 200 mails per second single ones cost a worker its processor. */
  batch: z.int().min(1).max(50).default(1),
});

const smtpSenderSchema = z.strictObject({
  ...shared,
  transport: z.literal('smtp'),
  host: z.string().min(1).max(253),
  port: z.int().min(1).max(65_535).default(587),
  tls: z.enum(['starttls', 'implicit', 'none']).default('starttls'),
  user: z.string().min(1).max(256).optional(),
  password: secretNameSchema.optional(),
  dkim: z
    .strictObject({
      domain: z.string().min(1).max(253),
      selector: z.string().min(1).max(63),
      /** Secret with the private key, in PEM form. */
      key: secretNameSchema,
    })
    .optional(),
});

export const senderDocumentSchema = z
  .discriminatedUnion('transport', [sesSenderSchema, smtpSenderSchema], {
    error: (issue) => (issue.code === 'invalid_union' ? 'transport must be ses or smtp' : undefined),
  })
  .superRefine((sender, context) => {
    const names = sender.topics.map(({ name }) => name);
    const repeated = names.findIndex((name, index) => names.indexOf(name) < index);
    if (repeated >= 0)
      context.addIssue({ code: 'custom', path: ['topics', repeated, 'name'], message: 'is there twice' });
    const isMarketing = sender.topics.some((topic) => topic.class === 'marketing');
    if (sender.transport === 'smtp' && isMarketing && sender.dkim === undefined)
      context.addIssue({ code: 'custom', path: ['dkim'], message: 'is needed for topics of the class marketing' });
    if (sender.transport === 'smtp' && (sender.user === undefined) !== (sender.password === undefined))
      context.addIssue({ code: 'custom', path: ['user'], message: 'user and password go together' });
  });
export type SenderDocument = z.output<typeof senderDocumentSchema>;

function isMailbox(text: string): boolean {
  if (/\p{Cc}/u.test(text)) return false;
  const bracketed = /^[^<>]*<([^<>]+)>$/.exec(text);
  return z.email().safeParse(bracketed?.[1] ?? text).success;
}
