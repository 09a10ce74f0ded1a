/**
 * Rows of `campaigns`. A campaign is carried by a job of its own id on a route of its own: that route is disabled from the beginning, so that
 * no file is routed to it and no list shows it.
 *
 * 1. `createCampaign` makes the route, its version and the campaign in one statement. Event: `campaign.created`.
 * 2. What people say (`sayWord`) is one statement, and counts from the next mail on: it is asked right before each. Event: `campaign.changed`.
 */
import { randomUUIDv7 } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { CampaignWord } from '#shared/db/schema.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export interface NewCampaign {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly definition: unknown;
  readonly definitionHash: string;
  readonly templateId: string;
  readonly templateVersion: number;
  readonly sender: string;
  readonly topic: string;
  readonly isMarketing: boolean;
  readonly fileRef: string;
  readonly isHeld: boolean;
  readonly defaults: Readonly<Record<string, string>>;
  readonly startsAt: string | null;
  readonly window: SendWindow | null;
  readonly ratePerSecond: number | null;
  readonly idempotencyKey: string | null;
  readonly requestHash: string;
  readonly actor: string;
}

/** Of a day; `08:00`. */
export interface SendWindow {
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
}

export interface CampaignRow {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly templateId: string;
  readonly templateVersion: number;
  readonly sender: string;
  readonly topic: string;
  readonly word: CampaignWord;
  readonly heldReason: string | null;
  readonly startsAt: Date | null;
  readonly window: SendWindow | null;
  readonly requestHash: string;
  readonly createdAt: Date;
  readonly begunAt: Date | null;
  /** Of its job; null before its file is there. */
  readonly jobState: string | null;
  readonly stepKind: string | null;
  readonly openRecords: number | null;
  readonly errorCause: string | null;
  readonly errorMessage: string | null;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly fileId: string | null;
  /** By the database's clock. */
  readonly now: Date;
}

/** Undefined: the Idempotency-Key is another campaign's. */
export async function createCampaign(sql: Sql, campaign: NewCampaign): Promise<CampaignRow | undefined> {
  const { id, tenantId, definition, definitionHash, actor } = campaign;
  const routeName = routeNameOf(id);
  const rows = await sql`
    WITH created AS (
      INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
        file_ref, word, held_reason, defaults, starts_at, send_window, rate_per_second, idempotency_key, request_hash, created_by)
      VALUES (${id}, ${tenantId}, ${campaign.name}, ${randomUUIDv7()}, ${randomUUIDv7()}, ${campaign.templateId},
        ${campaign.templateVersion}, ${campaign.sender}, ${campaign.topic}, ${campaign.isMarketing}, ${campaign.fileRef},
        ${campaign.isHeld ? 'HELD' : 'GO'}, ${campaign.isHeld ? 'REQUESTED' : null}, ${toJsonb(campaign.defaults)}::text::jsonb,
        ${campaign.startsAt}, ${campaign.window === null ? null : toJsonb(campaign.window)}::text::jsonb, ${campaign.ratePerSecond},
        ${campaign.idempotencyKey}, ${campaign.requestHash}, ${actor})
      ON CONFLICT DO NOTHING RETURNING *),
    route AS (
      INSERT INTO routes (id, tenant_id, name, active_version, disabled_at, removed_at)
      SELECT route_id, tenant_id, ${routeName}, 1, now(), now() FROM created),
    version AS (
      INSERT INTO route_versions (id, route_id, version, definition, definition_hash, created_by)
      SELECT route_version_id, route_id, 1, ${toJsonb(definition)}::text::jsonb, ${definitionHash}, ${actor} FROM created),
    event AS (
      SELECT 'campaign.created' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('campaignId', id, 'name', name, 'template', template_id || '@' || template_version, 'sender', sender,
          'topic', topic) AS detail, '{events}'::text[] AS topics
      FROM created),
    ${recordEvents(sql, actor)}
    SELECT 1 FROM created`;
  return rows.length === 0 ? undefined : await findCampaign(sql, { id, tenantId });
}

export function routeNameOf(campaignId: string): string {
  return `campaign-${campaignId}`;
}

/** Null of the tenant: an operator's, any. */
export interface CampaignAt {
  readonly id: string;
  readonly tenantId: string | null;
}

function columnsOf(sql: Sql) {
  return sql`c.id, c.tenant_id AS "tenantId", c.name, c.template_id AS "templateId", c.template_version AS "templateVersion", c.sender,
    c.topic, c.word, c.held_reason AS "heldReason", c.starts_at AS "startsAt", c.send_window AS "window", c.request_hash AS "requestHash",
    c.created_at AS "createdAt", c.begun_at AS "begunAt", j.state AS "jobState", j.step_kind AS "stepKind",
    j.open_records AS "openRecords", j.error_cause AS "errorCause", j.error_message AS "errorMessage", j.started_at AS "startedAt",
    j.finished_at AS "finishedAt", j.file_id AS "fileId", now() AS now`;
}

export async function findCampaign(sql: Sql, { id, tenantId }: CampaignAt): Promise<CampaignRow | undefined> {
  const [row] = await sql<CampaignRow[]>`
    SELECT ${columnsOf(sql)} FROM campaigns c LEFT JOIN jobs j ON j.id = c.id
    WHERE c.id = ${id} AND (${tenantId}::text IS NULL OR c.tenant_id = ${tenantId})`;
  return row;
}

export async function findCampaignOf(
  sql: Sql,
  { tenantId, idempotencyKey }: { readonly tenantId: string; readonly idempotencyKey: string },
): Promise<CampaignRow | undefined> {
  const [row] = await sql<CampaignRow[]>`
    SELECT ${columnsOf(sql)} FROM campaigns c LEFT JOIN jobs j ON j.id = c.id
    WHERE c.tenant_id = ${tenantId} AND c.idempotency_key = ${idempotencyKey}`;
  return row;
}

/** Newest first. */
export async function listCampaigns(
  sql: Sql,
  {
    tenantId,
    after,
    limit,
  }: { readonly tenantId: string | null; readonly after?: string | undefined; readonly limit: number },
): Promise<CampaignRow[]> {
  return await sql<CampaignRow[]>`
    SELECT ${columnsOf(sql)} FROM campaigns c LEFT JOIN jobs j ON j.id = c.id
    WHERE (${tenantId}::text IS NULL OR c.tenant_id = ${tenantId}) AND (${after ?? null}::uuid IS NULL OR c.id < ${after ?? null}::uuid)
    ORDER BY c.id DESC LIMIT ${limit}`;
}

/** Of a campaign that goes on by it at once: chunks that wait are due. */
export async function sayWord(
  sql: Sql,
  {
    id,
    word,
    from,
    reason,
    actor,
  }: {
    readonly id: string;
    readonly word: CampaignWord;
    readonly from: readonly CampaignWord[];
    readonly reason?: string | undefined;
    readonly actor: string;
  },
): Promise<boolean> {
  const rows = await sql`
    WITH said AS (
      UPDATE campaigns SET word = ${word}, held_reason = ${word === 'HELD' ? (reason ?? null) : null}, updated_at = now()
      WHERE id = ${id} AND word = ANY(${[...from]}::text[]) RETURNING *),
    due AS (
      UPDATE record_chunks r SET next_action_at = now() FROM said
      WHERE r.job_id = said.id AND said.word IN ('GO', 'CANCELLED') AND r.next_action_at > now()),
    event AS (
      SELECT 'campaign.changed' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('campaignId', id, 'word', word, 'reason', ${reason ?? null}::text)) AS detail,
        '{events}'::text[] AS topics
      FROM said),
    ${recordEvents(sql, actor)}
    SELECT 1 FROM said`;
  return rows.length > 0;
}

export interface BeginnableCampaign {
  readonly id: string;
  readonly routeId: string;
  readonly routeVersionId: string;
  readonly definition: unknown;
  readonly fileId: string;
  readonly isLarge: boolean;
}

/** Whose file is there and was routed. */
export async function findBeginnable(sql: Sql, limit: number): Promise<BeginnableCampaign[]> {
  return await sql<BeginnableCampaign[]>`
    SELECT c.id, c.route_id AS "routeId", c.route_version_id AS "routeVersionId", v.definition, f.id AS "fileId", f.is_large AS "isLarge"
    FROM campaigns c JOIN route_versions v ON v.id = c.route_version_id
      LEFT JOIN uploads u ON u.id = c.file_ref AND u.tenant_id = c.tenant_id
      JOIN files f ON f.tenant_id = c.tenant_id AND f.routed_at IS NOT NULL
        AND f.id = coalesce((
          SELECT s.id FROM files s WHERE s.bucket = u.bucket AND s.key = u.key AND s.version_id = u.version_id), c.file_ref)
    WHERE c.begun_at IS NULL AND c.word <> 'CANCELLED' ORDER BY c.id LIMIT ${limit}`;
}

export async function noteBegun(sql: Sql, ids: readonly string[]): Promise<void> {
  await sql`
    UPDATE campaigns c SET begun_at = now(), updated_at = now()
    WHERE id = ANY(${[...ids]}::uuid[]) AND begun_at IS NULL AND EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.id)`;
}
