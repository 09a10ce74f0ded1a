/**
 * `/api/v1/campaigns`: one mail to each recipient of a file, and what became of every one.
 *
 * 1. The same Idempotency-Key is the same campaign, and gives the same answer; with another request it is refused.
 * 2. A campaign may be asked for before its file is there.
 * 3. What people say of it counts from the next mail on.
 */
import { createHash, randomUUIDv7 } from 'node:crypto';
import { z } from 'zod';
import { actorOf, type Caller } from '#shared/access/permissions.ts';
import { beginCampaigns } from '#shared/campaigns/begin-campaigns.ts';
import {
  type CampaignRow,
  controlCampaign,
  createCampaign,
  findCampaign,
  findCampaignOf,
  listCampaigns,
  routeNameOf,
} from '#shared/campaigns/campaign-store.ts';
import { earliestInstantOf, instantOf, latestInstantOf } from '#shared/campaigns/send-window.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { CampaignControl } from '#shared/db/schema.ts';
import { canonicalJson, definitionHash } from '#shared/definitions/definition-hash.ts';
import { idSchema, timeZoneSchema } from '#shared/definitions/name-schemas.ts';
import { columnNameSchema } from '#shared/definitions/routes/record-column-schema.ts';
import { routeDocumentSchema } from '#shared/definitions/routes/route-schema.ts';
import { type SenderDocument, senderDocumentSchema } from '#shared/definitions/sender-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { encodeIdCursor, idCursorField } from '../http/page-cursor.ts';
import {
  anyCaseField,
  idField,
  idParams,
  limitField,
  reasonField,
  tenantField,
  textField,
} from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import type { CountRecords } from '../records/count-records.ts';
import type { LandingAccess } from '../uploads/landing-access.ts';
import { tenantOf } from '../uploads/upload-target.ts';
import {
  CAMPAIGN_STATUSES,
  type CampaignStatus,
  campaignSchema,
  describeCampaign,
  statusOf,
} from './describe-campaign.ts';
import { findCheckedTemplate } from './handle-templates.ts';

const clockField = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'is not a time such as 08:00');
const shareField = z.string().regex(/^\d{1,3}(?:\.\d{1,4})?%$/, 'is not a share such as 2%');

const createSchema = z.strictObject({
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
type CreateBody = z.output<typeof createSchema>;

const headers = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'is 1 to 200 visible ASCII characters')
    .optional()
    .describe('One key is one campaign: a repeated request gives the same answer.'),
});
const params = idParams;
const acceptedSchema = z.object({ transaction_id: z.string(), status: z.string(), status_url: z.string() });

/** Of a mail that its server puts off, each for a quarter of an hour. */
const DEFERRALS = 24;
/** Campaigns of one request, whose status may be another. */
const MOST_READ = 5_000;
const READ_AT_ONCE = 250;
/** Of a schedule's `at`, for clocks that differ. */
const LATE_MS = 300_000;

export interface CampaignParts extends ApiParts {
  readonly landing: LandingAccess;
  readonly linkSecret: string | undefined;
}

const CONTROLS: Readonly<
  Record<'pause' | 'resume' | 'cancel', { control: CampaignControl; from: CampaignControl[]; summary: string }>
> = {
  pause: { control: 'PAUSED', from: ['GO'], summary: 'Send nothing more until it is resumed' },
  resume: { control: 'GO', from: ['PAUSED', 'HELD'], summary: 'Continue with what was not sent' },
  cancel: { control: 'CANCELLED', from: ['GO', 'PAUSED', 'HELD'], summary: 'Send nothing more, for good' },
};

export function handleCampaigns(app: ApiServer, parts: CampaignParts, countRecords: CountRecords): void {
  const { sql, senders, admissionWindow } = parts;

  app.post(
    '/api/v1/campaigns',
    {
      schema: {
        summary: 'Send one mail to each recipient of a file',
        tags: ['campaigns'],
        headers,
        body: createSchema,
        response: { 202: acceptedSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'campaigns:change');
      const { body } = request;
      const tenantId = tenantOf(caller, body.tenant);
      const idempotencyKey = request.headers['idempotency-key'] ?? null;
      const requestHash = createHash('sha256').update(canonicalJson(body)).digest('hex');
      const known = idempotencyKey && (await findCampaignOf(sql, { tenantId, idempotencyKey }));
      const campaign =
        known || (await create({ caller, tenantId, body, idempotencyKey, requestHash, signal: request.ended }));
      if (campaign.requestHash !== requestHash)
        throw new LongshoreError('IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was used for another campaign.');
      const { jobs } = await beginCampaigns(sql, { actor: actorOf(caller), window: admissionWindow });
      await senders.wakeJobs(jobs);
      const { status } = await describe((await findCampaign(sql, { id: campaign.id, tenantId })) ?? campaign);
      const status_url = `/api/v1/campaigns/${campaign.id}/status`;
      return await reply.code(202).send({ transaction_id: campaign.id, status, status_url });
    },
  );

  async function create(asked: Asked): Promise<CampaignRow> {
    const { caller, tenantId, body, idempotencyKey, requestHash, signal } = asked;
    const at = { tenantId, id: body.template_id, version: body.template_version };
    const [template, sender] = await Promise.all([
      findCheckedTemplate(parts, at, signal),
      findSender(tenantId, body.sender),
      refuseUnknownFile(tenantId, body.file_id),
    ]);
    if (template === undefined) throw invalid('template_id', 'names no template of the tenant');
    if (template.status !== 'READY')
      throw new LongshoreError('TEMPLATE_NOT_READY', `The template is ${template.status}.`, {
        details: { status: template.status, faults: template.faults },
      });
    if (sender === undefined) throw invalid('sender', 'names no sender of the tenant');
    const topic = body.topic ?? template.topic;
    const kind = sender.topics.find(({ name }) => name === topic);
    if (kind === undefined)
      throw invalid('topic', `is not one of the sender’s: ${sender.topics.map(({ name }) => name).join(', ')}`);
    const isMarketing = kind.class === 'marketing';
    if (isMarketing && parts.linkSecret === undefined)
      throw new LongshoreError(
        'CONFIG_INVALID',
        'Marketing needs LONGSHORE_LINK_SECRET: its mails have unsubscribe links.',
      );
    if (isMarketing && template.warnings.includes('NO_UNSUBSCRIBE_LINK'))
      throw new LongshoreError('TEMPLATE_NO_UNSUBSCRIBE', 'The template has no {{ unsubscribe_url }}.');
    const isTracked = body.track?.opens === true || body.track?.clicks === true;
    if (isTracked && (sender.transport !== 'ses' || sender.trackingSet === undefined))
      throw invalid('track', 'needs `trackingSet`, a configuration set that reports opens and clicks, in the sender');
    await Promise.all([
      refuseUnnamed('calendars', tenantId, 'schedule.window.calendar', body.schedule?.window?.calendar),
      refuseUnnamed('channels', tenantId, 'webhook', body.webhook),
    ]);
    const id = randomUUIDv7();
    const definition = definitionOf(id, tenantId, body, template.variables);
    const created = await createCampaign(sql, {
      ...{ id, tenantId, topic, isMarketing, idempotencyKey, requestHash, definition },
      ...{ name: body.name ?? template.id, sender: body.sender, fileRef: body.file_id, isTracked },
      ...holdOf(body.hold),
      channel: body.webhook ?? null,
      ...{ defaults: body.defaults, definitionHash: definitionHash(definition), actor: actorOf(caller) },
      ...{ templateId: template.id, templateVersion: template.version, ratePerSecond: body.rate_per_second ?? null },
      ...scheduleOf(body.schedule),
    });
    const winner = created ?? (idempotencyKey && (await findCampaignOf(sql, { tenantId, idempotencyKey })));
    if (!winner) throw new LongshoreError('INTERNAL', 'The campaign was not created.');
    return winner;
  }

  async function findSender(tenantId: string, name: string): Promise<SenderDocument | undefined> {
    const [row] = await sql<{ definition: unknown }[]>`
      SELECT definition FROM senders WHERE tenant_id = ${tenantId} AND name = ${name} AND removed_at IS NULL`;
    return row && senderDocumentSchema.parse(row.definition);
  }

  async function refuseUnnamed(kind: 'calendars' | 'channels', tenantId: string, field: string, name?: string) {
    if (name === undefined) return;
    const rows =
      kind === 'calendars'
        ? await sql`SELECT 1 FROM calendars WHERE tenant_id = ${tenantId} AND name = ${name} AND removed_at IS NULL`
        : await sql`SELECT 1 FROM notice_channels WHERE tenant_id = ${tenantId} AND name = ${name} AND route = ''`;
    if (rows.length === 0) throw invalid(field, `names no ${kind.slice(0, -1)} of the tenant`);
  }

  async function refuseUnknownFile(tenantId: string, id: string): Promise<void> {
    const rows = await sql`
      SELECT 1 FROM uploads WHERE id = ${id} AND tenant_id = ${tenantId}
      UNION ALL SELECT 1 FROM files WHERE id = ${id} AND tenant_id = ${tenantId}`;
    if (rows.length === 0) throw invalid('file_id', 'names no file of the tenant');
  }

  app.get(
    '/api/v1/campaigns',
    {
      schema: {
        summary: 'Campaigns, newest first',
        tags: ['campaigns'],
        querystring: z.strictObject({
          tenant: tenantField.optional(),
          status: anyCaseField(CAMPAIGN_STATUSES).optional(),
          cursor: idCursorField.optional().describe('next_cursor of the previous page.'),
          limit: limitField,
        }),
        response: {
          200: z.object({ campaigns: z.array(campaignSchema), next_cursor: z.string().nullable() }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const { tenant, status, cursor: after, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { campaigns: [], next_cursor: null };
      const { rows, next } = await findPage(sql, { tenantId, status, after, limit });
      const campaigns = [];
      for (const row of rows) campaigns.push(await describe(row));
      return { campaigns, next_cursor: next === undefined ? null : encodeIdCursor(next) };
    },
  );

  app.get(
    '/api/v1/campaigns/:id/status',
    {
      schema: {
        summary: 'How far a campaign is, and what happened to its mails',
        tags: ['campaigns'],
        params,
        response: { 200: campaignSchema, ...errorReplies },
      },
    },
    async (request) => await describe(await findOrRefuse(callerOf(request), request.params.id)),
  );

  for (const [verb, { control, from, summary }] of Object.entries(CONTROLS)) {
    app.post(
      `/api/v1/campaigns/:id/${verb}`,
      {
        schema: {
          summary,
          tags: ['campaigns'],
          params,
          body: z.strictObject({ reason: reasonField.optional() }).nullish(),
          response: { 200: campaignSchema, ...errorReplies },
        },
      },
      async (request) => {
        const caller = callerWith(request, 'campaigns:change');
        const campaign = await findOrRefuse(caller, request.params.id);
        const { id, jobState } = campaign;
        const isOver = jobState !== null && !['PENDING', 'RUNNING', 'WAITING'].includes(jobState);
        if (!isOver)
          await controlCampaign(sql, { id, control, from, reason: request.body?.reason, actor: actorOf(caller) });
        const now = await findOrRefuse(caller, id);
        if (isOver || now.control !== control)
          throw new LongshoreError('CAMPAIGN_ENDED', `The campaign is ${(await describe(now)).status}.`);
        return await describe(now);
      },
    );
  }

  async function findOrRefuse({ tenantId }: Caller, id: string): Promise<CampaignRow> {
    const campaign = await findCampaign(sql, { id, tenantId });
    if (campaign === undefined) throw new LongshoreError('NOT_FOUND', 'Campaign not found');
    return campaign;
  }

  function describe(campaign: CampaignRow) {
    return describeCampaign(sql, campaign, countRecords);
  }
}

interface PageOf {
  readonly tenantId: string | null;
  readonly status: CampaignStatus | undefined;
  readonly after: string | undefined;
  readonly limit: number;
}

/** A status is stored nowhere: rows are read until enough have it. A page may be short, or empty, and be followed by another. */
async function findPage(sql: Sql, { tenantId, status, after, limit }: PageOf) {
  const rows: CampaignRow[] = [];
  const size = status === undefined ? limit + 1 : Math.max(limit + 1, READ_AT_ONCE);
  let last = after;
  for (let read = 0; read < MOST_READ; read += size) {
    const found = await listCampaigns(sql, { tenantId, after: last, limit: size });
    for (const row of found) {
      if (status === undefined || statusOf(row).status === status) {
        if (rows.length === limit) return { rows, next: last };
        rows.push(row);
      }
      last = row.id;
    }
    if (found.length < size) return { rows, next: undefined };
  }
  return { rows, next: last };
}

interface Asked {
  readonly caller: Caller;
  readonly tenantId: string;
  readonly body: CreateBody;
  readonly idempotencyKey: string | null;
  readonly requestHash: string;
  readonly signal: AbortSignal;
}

function invalid(field: string, fault: string): LongshoreError {
  return new LongshoreError('REQUEST_INVALID', `${field}: ${fault}`, {
    details: { in: 'body', faults: [{ field, message: fault }] },
  });
}

function holdOf(hold: CreateBody['hold']) {
  if (typeof hold === 'boolean') return { isHeld: hold, holdOver: null };
  return { isHeld: true, holdOver: Number(hold.slice('over-'.length)) };
}

function scheduleOf(schedule: CreateBody['schedule']) {
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
function definitionOf(id: string, tenant: string, body: CreateBody, variables: readonly string[]) {
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
