/**
 * `/api/v1/campaigns`: one mail to each recipient of a file, and what happened to every one.
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
} from '#shared/campaigns/campaign-store.ts';
import type { CampaignControl } from '#shared/db/schema.ts';
import { canonicalJson, definitionHash } from '#shared/definitions/definition-hash.ts';
import { type SenderDocument, senderDocumentSchema } from '#shared/definitions/sender-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { encodeIdCursor, idCursorField } from '../http/page-cursor.ts';
import { anyCaseField, idParams, limitField, reasonField, tenantField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import type { CountRecords } from '../records/count-records.ts';
import type { LandingAccess } from '../uploads/landing-access.ts';
import { tenantOf } from '../uploads/upload-target.ts';
import {
  type CampaignRequest,
  campaignRequestSchema,
  definitionOf,
  holdOf,
  invalid,
  scheduleOf,
} from './campaign-request.ts';
import { CAMPAIGN_STATUSES, campaignSchema, describeCampaign } from './describe-campaign.ts';
import { findCampaignPage } from './find-campaign-page.ts';
import { findCheckedTemplate } from './handle-templates.ts';

const headers = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'is 1 to 200 visible ASCII characters')
    .optional()
    .describe('One key is one campaign: a repeated request gives the same answer.'),
});
const params = idParams;
const acceptedSchema = z.object({ transaction_id: z.string(), status: z.string(), status_url: z.string() });

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
        body: campaignRequestSchema,
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
      const { rows, next } = await findCampaignPage(sql, { tenantId, status, after, limit });
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

interface Asked {
  readonly caller: Caller;
  readonly tenantId: string;
  readonly body: CampaignRequest;
  readonly idempotencyKey: string | null;
  readonly requestHash: string;
  readonly signal: AbortSignal;
}
