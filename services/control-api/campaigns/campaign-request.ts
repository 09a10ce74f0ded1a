/** What a campaign is asked for with, and what it means: whether the first mail waits, when it is sent, and the route of its job. */
import { z } from 'zod';
import { routeNameOf } from '#shared/campaigns/campaign-store.ts';
import { earliestInstantOf, instantOf, latestInstantOf } from '#shared/campaigns/send-window.ts';
import { idSchema, timeZoneSchema } from '#shared/definitions/name-schemas.ts';
import { columnNameSchema } from '#shared/definitions/routes/record-column-schema.ts';
import { routeDocumentSchema } from '#shared/definitions/routes/route-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { idField, tenantField, textField } from '../http/request-fields.ts';

const clockField = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'is not a time such as 08:00');
const shareField = z.string().regex(/^\d{1,3}(?:\.\d{1,4})?%$/, 'is not a share such as 2%');

export const campaignRequestSchema = z.strictObject({
  tenant: tenantField.optional().describe('For operators.'),
  name: textField(200).optional(),
  template_id: idSchema,
  template_version: z.number().int().min(1).max(1_000_000).optional().describe('The newest when absent.'),
  file_id: idField.describe('Of POST /api/v1/files/presigned-url, or of any file of the tenant.'),
  sender: idSchema,
  topic: idSchema.optional().describe('The template’s when absent.'),
  columns: z
    .record(textField(63), textField(200))
    .default({})
    .describe('Names in the CSV header, by variable; `email` is the recipient.'),
  defaults: z
    .record(textField(63), z.string().max(10_000))
    .default({})
    .describe('Values of variables that a row lacks.'),
  csv: z
    .strictObject({ delimiter: z.string().length(1).optional(), encoding: z.string().max(20).optional() })
    .optional(),
  schedule: z
    .strictObject({
      at: z.iso.datetime({ local: true, offset: true }).optional().describe('Nothing is sent before.'),
      time_zone: timeZoneSchema.default('UTC'),
      window: z
        .strictObject({
          from: clockField,
          to: clockField,
          calendar: idSchema.optional().describe('A calendar of the tenant: the window opens on its business days.'),
        })
        .optional()
        .describe('Hours of a day.'),
      recipient_zone: z
        .boolean()
        .default(false)
        .describe('`at` and `window` are by each recipient’s clock: the column `time_zone`, else `time_zone` here.'),
    })
    .optional(),
  rate_per_second: z.number().min(0.1).max(10_000).optional().describe('Within the sender’s.'),
  max_rejected: shareField.default('100%').describe('With more rejected rows nothing is sent.'),
  hold: z
    .union([z.boolean(), z.string().regex(/^over-\d{1,9}$/, 'is true, false, or such as over-10000')])
    .default(false)
    .describe('Waits for `resume` before the first mail; `over-10000`: when more recipients than these are valid.'),
  track: z
    .strictObject({ opens: z.boolean().default(false), clicks: z.boolean().default(false) })
    .optional()
    .describe('Needs `trackingSet` of the sender.'),
  webhook: idSchema.optional().describe('The notice channel that hears of it; default: all that ask for such notices.'),
});
export type CampaignRequest = z.output<typeof campaignRequestSchema>;

/** Of a mail that its server puts off, each for a quarter of an hour. */
const DEFERRALS = 24;
/** Of a schedule's `at`, for clocks that differ. */
const LATE_MS = 300_000;

export function invalid(field: string, fault: string): LongshoreError {
  return new LongshoreError('REQUEST_INVALID', `${field}: ${fault}`, {
    details: { in: 'body', faults: [{ field, message: fault }] },
  });
}

export function holdOf(hold: CampaignRequest['hold']) {
  if (typeof hold === 'boolean') return { isHeld: hold, holdOver: null };
  return { isHeld: true, holdOver: Number(hold.slice('over-'.length)) };
}

export function scheduleOf(schedule: CampaignRequest['schedule']) {
  const none = { startsAt: null, localStart: null, window: null, calendar: null, isRecipientZone: false };
  if (schedule === undefined) return none;
  const { at, time_zone: timeZone, window, recipient_zone: isRecipientZone } = schedule;
  if (window !== undefined && window.from === window.to) throw invalid('schedule.window', 'never opens');
  const opening = {
    calendar: window?.calendar ?? null,
    window: window === undefined ? null : { from: window.from, to: window.to, timeZone },
    isRecipientZone,
  };
  if (at === undefined) return { ...none, ...opening };
  const isLocal = !/(?:Z|[+-]\d{2}:?\d{2})$/.test(at);
  if (isRecipientZone && !isLocal)
    throw invalid('schedule.at', 'is a time without a zone, such as 2026-06-01T10:00:00, with recipient_zone');
  const startsAt = isRecipientZone
    ? earliestInstantOf(at)
    : isLocal
      ? instantOf(at, timeZone)
      : new Date(at).toISOString();
  const lastAt = isRecipientZone ? latestInstantOf(at) : startsAt;
  if (Date.parse(lastAt) < Date.now() - LATE_MS) throw invalid('schedule.at', 'is in the past');
  const localStart = isRecipientZone ? `${at}[${timeZone}]` : null;
  return { ...opening, startsAt, localStart };
}

/** The route that the campaign's job is on. */
export function definitionOf(id: string, tenant: string, body: CampaignRequest, variables: readonly string[]) {
  const odd = variables.find((name) => !columnNameSchema.safeParse(name).success);
  if (odd !== undefined) throw invalid('template_id', `has the variable "${odd}", which no column can be named`);
  const sourceOf = (name: string) => ({ source: body.columns[name] ?? name });
  const email = { name: 'email', ...sourceOf('email'), type: 'email', required: true, sensitive: true };
  const zone = { name: 'time_zone', ...sourceOf('time_zone'), type: 'time-zone', optional: true };
  const hasZone = body.schedule?.recipient_zone === true && !variables.includes('time_zone');
  const others = variables.map((name) => ({
    ...{ name, ...sourceOf(name), maxLength: 10_000, sensitive: true },
    ...(body.defaults[name] === undefined ? { required: true } : { optional: true }),
  }));
  const parsed = routeDocumentSchema.safeParse({
    kind: 'route',
    tenant,
    name: routeNameOf(id),
    match: { path: [`campaign-recipients/${id}`] },
    records: {
      ...{
        format: 'csv',
        unknown: 'ignore',
        ...body.csv,
        columns: [email, ...(hasZone ? [zone] : []), ...others],
        businessKey: ['email'],
      },
      onReject: { action: 'reject-rows', upToShare: body.max_rejected },
    },
    retry: { maxSweeps: DEFERRALS },
    steps: [
      { validate: {} },
      { parse: {} },
      { call: { partner: routeNameOf(id), operation: 'send', code: 'SEND_ERROR' } },
    ],
  });
  if (parsed.success) return parsed.data;
  const { path = [], message = 'is invalid' } = parsed.error.issues[0] ?? {};
  throw invalid(path.join('.'), message);
}
