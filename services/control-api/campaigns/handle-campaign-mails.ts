/**
 * The mails of a campaign one by one: what happened to each recipient, how a few of them look, and a few sent to people who test them.
 *
 * 1. Addresses are shown only where values are asked for and the caller may see them.
 * 2. A test is counted nowhere: it carries no tags, so that nothing that is reported of it touches the campaign. Its unsubscribe link is of the
 *    person who tests, and its Message-ID its own: servers drop a mail that has the id of an earlier one.
 * 3. The links of a preview lead nowhere.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type CampaignRow, findCampaign } from '#shared/campaigns/campaign-store.ts';
import { composeMail, type ShownTo } from '#shared/campaigns/compose-mail.ts';
import { createMailTemplates, loadCampaign } from '#shared/campaigns/load-campaign.ts';
import { addressHash, businessKeyOf, readAddress } from '#shared/campaigns/mail-address.ts';
import type { MailTransports } from '#shared/campaigns/mail-transports.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { RECORD_STATES } from '#shared/db/schema.ts';
import { senderDocumentSchema } from '#shared/definitions/sender-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { encodeLineCursor, lineCursorField } from '../http/page-cursor.ts';
import { anyCaseField, flagField, idParams, limitField, textField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';

export interface CampaignMailParts {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly transports: MailTransports;
  readonly linkSecret: string | undefined;
  readonly publicUrl: string | undefined;
}

const MOST_ROWS = 5;
const PREVIEWED = 3;
const tags = ['campaigns'];
/** Its own, and not that of the page around it, which would take the mail's styles away. */
const MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox";

export const recipientSchema = z
  .object({
    line: z.number().describe('Line in the file, from 1.'),
    address: z.string().nullable().describe('Only with values=true.'),
    state: z.string().describe(`${RECORD_STATES.join(', ')}, or SUPPRESSED.`),
    code: z.string().nullable(),
    message: z.string().nullable(),
    message_id: z.string().nullable().describe('The mail service’s.'),
    events: z.array(z.object({ kind: z.string(), at: z.string(), code: z.string().nullable() })),
  })
  .meta({ id: 'CampaignRecipient' });

const recipientsQuery = z.strictObject({
  state: anyCaseField([...RECORD_STATES, 'SUPPRESSED']).optional(),
  code: textField(64).optional().describe('Such as EMAIL_SYNTAX or MESSAGE_REJECTED.'),
  event: textField(40).optional().describe('Only those of whom this was reported, such as bounced_hard.'),
  address: textField(254).optional().describe('Only this recipient.'),
  values: flagField.describe('Include addresses; for operators.'),
  cursor: lineCursorField.optional().describe('next_cursor of the previous page.'),
  limit: limitField,
});

const mailSchema = z.object({ line: z.number(), subject: z.string(), html: z.string(), text: z.string() });
const testSchema = z.strictObject({
  to: z.array(textField(254)).min(1).max(MOST_ROWS).describe('Who gets them.'),
  rows: z.number().int().min(1).max(MOST_ROWS).default(1).describe('How many of the first recipients to render.'),
});

export function handleCampaignMails(app: ApiServer, parts: CampaignMailParts): void {
  const { sql, secrets, transports } = parts;
  const findTemplate = createMailTemplates(sql);

  app.get(
    '/api/v1/campaigns/:id/recipients',
    {
      schema: {
        summary: 'What happened to each recipient, in the order of the file',
        tags,
        params: idParams,
        querystring: recipientsQuery,
        response: {
          200: z.object({ recipients: z.array(recipientSchema), next_cursor: z.string().nullable() }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const { values } = request.query;
      const { tenantId } = values ? callerWith(request, 'records:values') : callerOf(request);
      const campaign = await findOrRefuse(tenantId, request.params.id);
      return await findRecipients(sql, campaign, request.query);
    },
  );

  app.get(
    '/api/v1/campaigns/:id/preview',
    {
      schema: {
        summary: 'The first mails of a campaign as they would be sent',
        tags,
        params: idParams,
        response: { 200: z.object({ mails: z.array(mailSchema) }), ...errorReplies },
      },
    },
    async (request) => {
      const campaign = await findOrRefuse(callerOf(request).tenantId, request.params.id);
      const { mails } = await render(campaign, PREVIEWED, 'nobody');
      return { mails: mails.map(({ line, mail: { subject, html, text } }) => ({ line, subject, html, text })) };
    },
  );

  app.get(
    '/api/v1/campaigns/:id/preview/:line',
    {
      schema: {
        summary: 'One of the first mails as a page, for a frame: nothing in it runs, and nothing is fetched',
        tags,
        params: idParams.extend({ line: z.coerce.number().int().min(1) }),
        produces: ['text/html'],
        response: { 200: z.string(), ...errorReplies },
      },
    },
    async (request, reply) => {
      const campaign = await findOrRefuse(callerOf(request).tenantId, request.params.id);
      const { mails } = await render(campaign, PREVIEWED, 'nobody');
      const found = mails.find(({ line }) => line === request.params.line);
      if (found === undefined) throw new LongshoreError('NOT_FOUND', 'Mail not found');
      return await reply
        .header('content-security-policy', MAIL_POLICY)
        .type('text/html; charset=utf-8')
        .send(found.mail.html);
    },
  );

  app.post(
    '/api/v1/campaigns/:id/test',
    {
      schema: {
        summary: 'Send the first mails of a campaign to people who test them; counted nowhere',
        tags,
        params: idParams,
        body: testSchema,
        response: {
          200: z.object({
            sent: z.number(),
            results: z.array(z.object({ to: z.string(), line: z.number(), outcome: z.string() })),
          }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'campaigns:change');
      const campaign = await findOrRefuse(caller.tenantId, request.params.id);
      const results: { to: string; line: number; outcome: string }[] = [];
      for (const to of request.body.to.map(addressOf)) {
        const { mails, sender } = await render(campaign, request.body.rows, { address: to });
        const by = { tenantId: campaign.tenantId, sender, signal: request.ended };
        for (const { line, mail } of mails) {
          const subject = `[TEST] ${mail.subject}`;
          const messageId = `test.${randomUUID()}@longshore.invalid`;
          const { type: outcome } = await transports.send(
            { ...mail, to, subject, messageId, tags: {}, isTracked: false },
            by,
          );
          results.push({ to, line, outcome });
        }
      }
      return { sent: results.filter(({ outcome }) => outcome === 'sent').length, results };
    },
  );

  async function findOrRefuse(tenantId: string | null, id: string): Promise<CampaignRow> {
    const campaign = await findCampaign(sql, { id, tenantId });
    if (campaign === undefined) throw new LongshoreError('NOT_FOUND', 'Campaign not found');
    return campaign;
  }

  async function render({ id }: CampaignRow, most: number, shownTo: ShownTo) {
    const campaign = await loadCampaign(sql, id);
    const sender = senderDocumentSchema.safeParse(campaign?.senderDefinition);
    const rows = await sql<{ line: number; values: Readonly<Record<string, unknown>> }[]>`
      SELECT r.line::float8 AS line, r."values" FROM jobs j JOIN records r ON r.job_id = j.id AND r.created_at = j.created_at
      WHERE j.id = ${id} AND r.state <> 'REJECTED' AND r."values" ->> 'email' IS NOT NULL ORDER BY r.line LIMIT ${most}`;
    if (campaign === undefined || !sender.success || rows.length === 0)
      throw new LongshoreError('CAMPAIGN_NOT_READY', 'The recipients of the campaign have not been read.');
    const { linkSecret: secretName, publicUrl } = parts;
    const unsubscribe = secretName === undefined || publicUrl === undefined ? undefined : { secretName, publicUrl };
    const mails = await Promise.all(
      rows.map(async ({ line, values }) => {
        const address = String(values.email);
        const recipient = { address, hash: addressHash(address), line, values, shownTo };
        const composed = await composeMail({ secrets, findTemplate, unsubscribe }, campaign, sender.data, recipient);
        if (composed.type === 'mail') return { line, mail: composed.mail };
        const why = composed.type === 'faulty' ? composed.message : 'its template or its unsubscribe link is missing';
        throw new LongshoreError('RENDER_FAILED', `The mail of line ${line} cannot be made: ${why}.`);
      }),
    );
    return { mails, sender: sender.data };
  }
}

async function findRecipients(sql: Sql, { id, fileId }: CampaignRow, query: z.output<typeof recipientsQuery>) {
  if (fileId === null) return { recipients: [], next_cursor: null };
  const { state, code, event, address, values, cursor = 0, limit } = query;
  const isSuppressed = state === 'SUPPRESSED';
  const key = address === undefined ? null : businessKeyOf(addressOf(address));
  const rows = await sql<z.output<typeof recipientSchema>[]>`
    SELECT r.line::float8 AS line, CASE WHEN ${values}::boolean THEN r."values" ->> 'email' END AS address,
      CASE WHEN r.error_cause = 'SUPPRESSED' THEN 'SUPPRESSED' ELSE r.state END AS state, r.error_cause AS code,
      r.error_message AS message, r.reference AS message_id,
      ${eventsOf(sql)} AS events
    FROM jobs j JOIN records r ON r.job_id = j.id AND r.created_at = j.created_at
    WHERE j.id = ${id} AND r.line > ${cursor}::bigint
      ${state === undefined || isSuppressed ? sql`` : sql`AND r.state = ${state} AND r.error_cause IS DISTINCT FROM 'SUPPRESSED'`}
      ${isSuppressed ? sql`AND r.error_code = 'SEND_ERROR' AND r.error_cause = 'SUPPRESSED'` : sql``}
      ${code === undefined ? sql`` : sql`AND r.error_code IS NOT NULL AND (r.error_code = ${code} OR r.error_cause = ${code})`}
      ${
        event === undefined
          ? sql``
          : sql`AND EXISTS (SELECT 1 FROM mail_events e WHERE e.campaign_id = j.id AND e.line = r.line AND e.kind = ${event})`
      }
      ${
        key === null
          ? sql``
          : sql`AND r.line = (SELECT k.line FROM record_keys k
              WHERE k.tenant_id = j.tenant_id AND k.route_id = j.route_id AND k.business_key = ${key})`
      }
    ORDER BY r.line LIMIT ${limit + 1}`;
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return { recipients: page, next_cursor: last === undefined ? null : encodeLineCursor(last.line) };
}

/** What was reported of the mail of record `r`. */
export function eventsOf(sql: Sql) {
  return sql`(
      SELECT coalesce(jsonb_agg(jsonb_build_object('kind', e.kind, 'at', to_jsonb(e.at), 'code', e.detail ->> 'smtp') ORDER BY e.at, e.kind), '[]')
      FROM mail_events e WHERE e.campaign_id = r.job_id AND e.line = r.line)`;
}

export function addressOf(text: string): string {
  const read = readAddress(text);
  if (read.ok) return read.address;
  throw new LongshoreError('REQUEST_INVALID', `address: ${read.what}`);
}
