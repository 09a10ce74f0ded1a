/**
 * The section `notify:` of a tenant or a route: whom to tell of what, and where. Pure.
 *
 * 1. URLs and keys are secrets, and named: a definition can be shown to anyone who may see the tenant.
 * 2. A channel is of exactly one kind.
 */
import { z } from 'zod';
import { durationSchema } from '#shared/definitions/duration.ts';
import { idSchema, secretNameSchema } from '#shared/definitions/name-schemas.ts';
import { faultOfTicketTemplate } from '#shared/definitions/ticket-template.ts';

/** What a channel can be notified of. */
export const NOTICES = [
  'large-file',
  'held',
  'released',
  'failed',
  'completed',
  'records-done',
  'receipt-issued',
  'expected-at-risk',
  'expected-late',
  'expected-missed',
  'expected-odd',
  'batch-done',
  'batch-failed',
  'campaign-started',
  'campaign-held',
  'campaign-sent',
  'campaign-done',
  'mail-bounced',
  'mail-complained',
  'mail-unsubscribed',
] as const;

export const CHANNEL_KINDS = ['webhook', 'slack', 'teams', 'email', 'sns', 'ticket'] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;

const incomingWebhookSchema = z.strictObject({ urlSecret: secretNameSchema });

const ticketSchema = z
  .strictObject({
    urlSecret: secretNameSchema,
    /** The whole header, such as `Basic ...` or `Bearer ...`. */
    authorizationSecret: secretNameSchema.optional(),
    system: z.enum(['jira', 'servicenow']).optional(),
    /** Of Jira, its key. */
    project: z.string().min(1).max(50).optional(),
    issueType: z.string().min(1).max(100).optional(),
    template: z.record(z.string().max(200), z.json()).optional(),
  })
  .superRefine(({ system, project, template }, context) => {
    const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if ((system === undefined) === (template === undefined))
      fault('system', 'a ticket has either a system or a template');
    if (system === 'jira' && project === undefined) fault('project', 'Jira needs the key of a project');
    const wrong = template === undefined ? undefined : faultOfTicketTemplate(template);
    if (wrong !== undefined) fault('template', wrong);
  });
export type TicketDefinition = z.output<typeof ticketSchema>;

export const channelSchema = z
  .strictObject({
    name: idSchema,
    on: z.array(z.enum(NOTICES)).min(1).max(NOTICES.length),
    /** So long notices are gathered and sent as one. */
    digest: durationSchema({ minMs: SECOND_MS, maxMs: DAY_MS }).optional(),
    /** Its people may release and reject held files: notices of these carry a link. */
    review: z.boolean().optional(),
    /** `sender`: in the words of the portal, without codes, routes and commands. */
    reader: z.enum(['operator', 'sender']).optional(),
    webhook: z.strictObject({ urlSecret: secretNameSchema, signingSecret: secretNameSchema }).optional(),
    slack: incomingWebhookSchema
      .extend({
        /** With `review`: the webhook is of an app whose buttons come to the control API, which asks for the reason in a dialog. */
        buttons: z.boolean().optional(),
      })
      .optional(),
    teams: incomingWebhookSchema.optional(),
    email: z.strictObject({ to: z.array(z.email().max(254)).min(1).max(20) }).optional(),
    ticket: ticketSchema.optional(),
    sns: z.preprocess((value) => (value === null ? {} : value), z.strictObject({}).optional()),
  })
  .refine((channel) => CHANNEL_KINDS.filter((kind) => channel[kind] !== undefined).length === 1, {
    error: `a channel has exactly one of ${CHANNEL_KINDS.join(', ')}`,
  });
export type ChannelDefinition = z.output<typeof channelSchema>;

export const notifySchema = z
  .array(channelSchema)
  .max(20)
  .superRefine((channels, context) => {
    for (const [index, { name }] of channels.entries()) {
      if (channels.findIndex((other) => other.name === name) === index) continue;
      context.addIssue({ code: 'custom', path: [index, 'name'], message: `another channel has the name ${name}` });
    }
  });

export function kindOf(channel: ChannelDefinition): ChannelKind {
  return CHANNEL_KINDS.find((kind) => channel[kind] !== undefined) ?? 'webhook';
}
