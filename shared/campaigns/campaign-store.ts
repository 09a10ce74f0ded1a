/**
 * Rows of `campaigns`. A campaign is processed by its own job id on its own route: that route is disabled from the beginning, so that
 * no file is routed to it and no list shows it.
 *
 * 1. `createCampaign` makes the route, its version and the campaign in one statement. Event: `campaign.created`.
 * 2. What people decide (`controlCampaign`) is one statement, and counts from the next mail on: it is asked right before each. Event: `campaign.changed`.
 */
import { randomUUIDv7 } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { CampaignControl } from '#shared/db/schema.ts';
import type { Lane } from '#shared/definitions/lanes.ts';
import type { BusinessCalendar, OpenHours } from '#shared/expectations/open-hours.ts';
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
  readonly window: OpenHours | null;
  readonly calendar: string | null;
  /** By each recipient's clock; `startsAt` is then the time of the first. */
  readonly localStart: string | null;
  readonly isRecipientZone: boolean;
  readonly ratePerSecond: number | null;
  /** Held for a person when more recipients are valid. */
  readonly holdOver: number | null;
  readonly isTracked: boolean;
  readonly channel: string | null;
  readonly idempotencyKey: string | null;
  readonly requestHash: string;
  readonly actor: string;
}

export interface CampaignRow {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly templateId: string;
  readonly templateVersion: number;
  readonly sender: string;
  readonly topic: string;
  readonly control: CampaignControl;
  readonly heldReason: string | null;
  readonly startsAt: Date | null;
  readonly window: OpenHours | null;
  readonly calendar: BusinessCalendar | null;
  readonly isRecipientZone: boolean;
  readonly ratePerSecond: number | null;
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
  /** Of the sender; null when it was removed. */
  readonly senderRate: number | null;
  /** Mails of a day; null: the sender has no such limit. */
  readonly senderPerDay: number | null;
  /** Mails that the sender was let send of this day. */
  readonly senderGivenToday: number;
  /** The sender, or the account, may send no more of this day. */
  readonly isQuotaSpent: boolean;
  /** By the database's clock. */
  readonly now: Date;
}

/** Why a campaign is held until its recipients are counted (`holdOver`); nothing is sent before. */
export const COUNTING = 'COUNTING';

/** Undefined: the Idempotency-Key is another campaign's. */
export async function createCampaign(sql: Sql, campaign: NewCampaign): Promise<CampaignRow | undefined> {
  const { id, tenantId, definition, definitionHash, actor } = campaign;
  const routeName = routeNameOf(id);
  const rows = await sql`
    WITH created AS (
      INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
        file_ref, word, held_reason, defaults, starts_at, send_window, calendar, local_start, is_recipient_zone, rate_per_second,
        hold_over, is_tracked, channel, idempotency_key, request_hash, created_by)
      VALUES (${id}, ${tenantId}, ${campaign.name}, ${randomUUIDv7()}, ${randomUUIDv7()}, ${campaign.templateId},
        ${campaign.templateVersion}, ${campaign.sender}, ${campaign.topic}, ${campaign.isMarketing}, ${campaign.fileRef},
        ${campaign.isHeld || campaign.holdOver !== null ? 'HELD' : 'GO'},
        ${campaign.holdOver !== null ? COUNTING : campaign.isHeld ? 'REQUESTED' : null}, ${toJsonb(campaign.defaults)}::text::jsonb,
        ${campaign.startsAt}, ${campaign.window === null ? null : toJsonb(campaign.window)}::text::jsonb, ${campaign.calendar},
        ${campaign.localStart}, ${campaign.isRecipientZone}, ${campaign.ratePerSecond}, ${campaign.holdOver}, ${campaign.isTracked},
        ${campaign.channel}, ${campaign.idempotencyKey}, ${campaign.requestHash}, ${actor})
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
    c.topic, c.word AS control, c.held_reason AS "heldReason", c.starts_at AS "startsAt", c.send_window AS "window", d.days AS calendar,
    c.is_recipient_zone AS "isRecipientZone", c.rate_per_second AS "ratePerSecond", c.request_hash AS "requestHash",
    c.created_at AS "createdAt", c.begun_at AS "begunAt", j.state AS "jobState", j.step_kind AS "stepKind",
    j.open_records AS "openRecords", j.error_cause AS "errorCause", j.error_message AS "errorMessage", j.started_at AS "startedAt",
    j.finished_at AS "finishedAt", j.file_id AS "fileId", (s.definition -> 'limits' ->> 'ratePerSecond')::float8 AS "senderRate",
    (s.definition -> 'limits' ->> 'perDay')::float8 AS "senderPerDay",
    CASE WHEN s.given_on = (now() AT TIME ZONE 'UTC')::date THEN s.given ELSE 0 END::float8 AS "senderGivenToday",
    coalesce(s.quota_until > now() OR (s.given_on = (now() AT TIME ZONE 'UTC')::date
      AND s.given >= (s.definition -> 'limits' ->> 'perDay')::int), false) AS "isQuotaSpent", now() AS now`;
}

function joinsOf(sql: Sql) {
  return sql`LEFT JOIN jobs j ON j.id = c.id
    LEFT JOIN senders s ON s.tenant_id = c.tenant_id AND s.name = c.sender AND s.removed_at IS NULL
    LEFT JOIN calendars d ON d.tenant_id = c.tenant_id AND d.name = c.calendar AND d.removed_at IS NULL`;
}

export async function findCampaign(sql: Sql, { id, tenantId }: CampaignAt): Promise<CampaignRow | undefined> {
  const [row] = await sql<CampaignRow[]>`
    SELECT ${columnsOf(sql)} FROM campaigns c ${joinsOf(sql)}
    WHERE c.id = ${id} AND (${tenantId}::text IS NULL OR c.tenant_id = ${tenantId})`;
  return row;
}

export async function findCampaignOf(
  sql: Sql,
  { tenantId, idempotencyKey }: { readonly tenantId: string; readonly idempotencyKey: string },
): Promise<CampaignRow | undefined> {
  const [row] = await sql<CampaignRow[]>`
    SELECT ${columnsOf(sql)} FROM campaigns c ${joinsOf(sql)}
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
    SELECT ${columnsOf(sql)} FROM campaigns c ${joinsOf(sql)}
    WHERE (${tenantId}::text IS NULL OR c.tenant_id = ${tenantId}) AND (${after ?? null}::uuid IS NULL OR c.id < ${after ?? null}::uuid)
    ORDER BY c.id DESC LIMIT ${limit}`;
}

/** Of a campaign that continues by it at once: chunks that wait are due; of one that ends, records that wait for their day are too. */
export async function controlCampaign(
  sql: Sql,
  {
    id,
    control,
    from,
    fromReason,
    reason,
    actor,
  }: {
    readonly id: string;
    readonly control: CampaignControl;
    readonly from: readonly CampaignControl[];
    /** Only while it is held for this. */
    readonly fromReason?: string;
    readonly reason?: string | undefined;
    readonly actor: string;
  },
): Promise<boolean> {
  const rows = await sql`
    WITH said AS (
      UPDATE campaigns SET word = ${control}, held_reason = ${control === 'HELD' ? (reason ?? null) : null}, updated_at = now()
      WHERE id = ${id} AND word = ANY(${[...from]}::text[])
        AND (${fromReason ?? null}::text IS NULL OR held_reason = ${fromReason ?? null}) RETURNING *),
    due AS (
      UPDATE record_chunks r SET next_action_at = now() FROM said
      WHERE r.job_id = said.id AND said.word IN ('GO', 'CANCELLED') AND r.next_action_at > now()),
    recalled AS (
      UPDATE records r SET next_attempt_at = now() FROM said
      WHERE r.job_id = said.id AND said.word = 'CANCELLED' AND r.next_attempt_at > now()),
    event AS (
      SELECT 'campaign.changed' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object('campaignId', id, 'name', name, 'channel', channel, 'word', word,
          'reason', ${reason ?? null}::text)) AS detail,
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
  readonly priority: Lane;
}

/** Whose file is there and was routed. */
export async function findBeginnable(sql: Sql, limit: number): Promise<BeginnableCampaign[]> {
  return await sql<BeginnableCampaign[]>`
    SELECT c.id, c.route_id AS "routeId", c.route_version_id AS "routeVersionId", v.definition, f.id AS "fileId", f.is_large AS "isLarge", t.priority
    FROM campaigns c JOIN route_versions v ON v.id = c.route_version_id JOIN tenants t ON t.id = c.tenant_id
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
