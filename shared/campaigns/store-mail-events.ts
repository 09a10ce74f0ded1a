/**
 * What the mail service reports of messages, stored: one row for each fact. Repetition and order change nothing.
 *
 * 1. An event counts only for a record of the campaign that its tags name; the recipient's suppression is of the record's own address.
 * 2. A hard bounce suppresses the address for all topics for half a year, a complaint for all topics without end, soft bounces in three
 *    campaigns for two weeks.
 * 3. Soft bounces are counted in its own statement, after they are stored: of two that come side by side the later one sees both.
 * 4. Past its sender's limits a campaign is held, whoever stores the event that says so.
 * 5. Clicks of machines are told by their user agent, or by what else is known of the message (`machine-clicks.ts`).
 *
 * Out: for each event whether it was `new`, `repeated` or `unknown`. Events: `mail.bounced`, `mail.complained`; `campaign.changed`
 * where one is held.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnDeadlock, runSet, toJsonb } from '#shared/db/run-statements.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { MailEvent } from '#shared/messages/mail-events.ts';
import { controlCampaign } from './campaign-store.ts';
import { moveMachineClicks } from './machine-clicks.ts';
import { addressHash, domainOf } from './mail-address.ts';

export type MailEventOutcome = 'new' | 'repeated' | 'unknown';

interface Fact {
  readonly campaignId: string;
  readonly line: number;
  readonly kind: string;
  readonly eventKey: string;
  readonly messageId: string;
  readonly at: string;
  readonly hash: string;
  readonly domain: string;
  readonly address: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const LINE = /^[1-9]\d{0,14}$/;
const HARD_BOUNCE_DAYS = 180;
const SOFT_BOUNCE_DAYS = 14;
/** In so many campaigns. */
const SOFT_BOUNCES = 3;

export async function storeMailEvents(sql: Sql, events: readonly MailEvent[]): Promise<MailEventOutcome[]> {
  const facts = events.map(factOf);
  const known = new Map(facts.flatMap((fact) => (fact === undefined ? [] : [[keyOf(fact), fact] as const])));
  const { results, refused } = await runSet({ rows: [...known.values()], keyOf, run: (rows) => storeSet(sql, rows) });
  if (refused[0] !== undefined) throw refused[0].error;
  const stored = new Map(results.flat().map((row) => [keyOf(row), row]));
  const guarded = new Set(
    [...stored.values()].filter(({ isNew, kind }) => isNew && GUARDED.has(kind)).map(({ campaignId }) => campaignId),
  );
  for (const campaignId of guarded) await guard(sql, campaignId);
  await moveMachineClicks(
    sql,
    [...known].flatMap(([key, fact]) => (stored.has(key) && TELLS_OF_CLICKS.has(fact.kind) ? [fact] : [])),
  );
  await suppressSoft(
    sql,
    [...stored].flatMap(([key, { kind, tenantId }]) => {
      const fact = known.get(key);
      return kind === 'bounced_soft' && fact !== undefined ? [{ ...fact, tenantId }] : [];
    }),
  );
  return facts.map((fact) => {
    const row = fact && stored.get(keyOf(fact));
    return row === undefined ? 'unknown' : row.isNew ? 'new' : 'repeated';
  });
}

const TELLS_OF_CLICKS: ReadonlySet<string> = new Set(['clicked', 'machine_clicked', 'delivered']);
const GUARDED: ReadonlySet<string> = new Set(['bounced_hard', 'complained']);
const KINDS: Readonly<Record<string, string>> = {
  Send: 'accepted',
  Delivery: 'delivered',
  DeliveryDelay: 'delayed',
  Reject: 'rejected',
  Complaint: 'complained',
  Open: 'opened',
  Click: 'clicked',
  'Rendering Failure': 'rejected',
};

function keyOf({ campaignId, line, kind, eventKey }: Pick<Fact, 'campaignId' | 'line' | 'kind' | 'eventKey'>): string {
  return `${campaignId}/${String(line).padStart(16, '0')}/${kind}/${eventKey}`;
}

function factOf({ time, detail }: MailEvent): Fact | undefined {
  const { mail, bounce, complaint, click, open } = detail;
  const campaignId = mail.tags.ls_campaign?.[0] ?? '';
  const lineText = mail.tags.ls_line?.[0] ?? '';
  const [address = ''] = mail.destination;
  const kind = kindOf(detail);
  if (!UUID.test(campaignId) || !LINE.test(lineText) || kind === undefined) return undefined;
  const [recipient] = bounce?.bouncedRecipients ?? [];
  const said = bounce?.timestamp ?? complaint?.timestamp ?? open?.timestamp ?? click?.timestamp ?? time;
  return {
    ...{ campaignId, line: Number(lineText), kind, messageId: mail.messageId, at: instantOf(said, time) },
    ...{ address, hash: addressHash(address), domain: domainOf(address).slice(0, 253) },
    // These alone happen more than once.
    eventKey: REPEATED.has(kind) ? `${said} ${click?.link ?? ''}`.slice(0, 500) : '',
    detail: {
      ...(recipient?.status !== undefined && { smtp: recipient.status }),
      ...(recipient?.diagnosticCode !== undefined && { diagnostic: recipient.diagnosticCode.slice(0, 500) }),
      ...(click?.link !== undefined && { link: click.link }),
    },
  };
}

const FIRST_MS = Date.UTC(2000, 0);
const AHEAD_MS = 86_400_000;

/** The first that can be a time of a mail; else now. */
function instantOf(...said: readonly string[]): string {
  const now = Date.now();
  const times = said.map((text) => Date.parse(text));
  return new Date(times.find((time) => time > FIRST_MS && time < now + AHEAD_MS) ?? now).toISOString();
}

const REPEATED: ReadonlySet<string> = new Set(['opened', 'machine_opened', 'clicked', 'machine_clicked']);
/** Fetch every picture, and some every link, before anybody reads the mail. */
const MACHINES =
  /GoogleImageProxy|YahooMailProxy|^Mozilla\/5\.0$|Barracuda|Mimecast|Proofpoint|SafeLinks|urlscan|bot\b/i;

function kindOf({ eventType, bounce, click, open }: MailEvent['detail']): string | undefined {
  if (eventType === 'Bounce') {
    // A list of the service's own: no server was asked, so it says nothing of the sender's reputation.
    if (bounce?.bounceSubType === 'OnAccountSuppressionList') return 'suppressed';
    return bounce?.bounceType === 'Permanent' ? 'bounced_hard' : 'bounced_soft';
  }
  const isMachine = MACHINES.test((open ?? click)?.userAgent ?? '');
  if (eventType === 'Open' && isMachine) return 'machine_opened';
  if (eventType === 'Click' && isMachine) return 'machine_clicked';
  return KINDS[eventType];
}

type StoredFact = Pick<Fact, 'campaignId' | 'line' | 'kind' | 'eventKey'> & {
  readonly tenantId: string;
  readonly isNew: boolean;
};

function storeSet(sql: Sql, facts: Fact[]): Promise<StoredFact[]> {
  return sql<StoredFact[]>`
    WITH input AS (
      SELECT i.*, c.tenant_id FROM jsonb_to_recordset(${toJsonb(facts)}::text::jsonb) AS i(
        "campaignId" uuid, line bigint, kind text, "eventKey" text, "messageId" text, at timestamptz, hash text, domain text, address text,
        detail jsonb)
        JOIN campaigns c ON c.id = i."campaignId" JOIN jobs j ON j.id = c.id
        JOIN records r ON r.job_id = j.id AND r.line = i.line AND r.created_at = j.created_at
      WHERE lower(r.values ->> 'email') = lower(i.address)),
    stored AS (
      INSERT INTO mail_events (campaign_id, line, kind, event_key, tenant_id, message_id, at, detail, address_hash)
      SELECT "campaignId", line, kind, "eventKey", tenant_id, "messageId", at, detail, hash FROM input i
      WHERE NOT (kind = 'clicked' AND EXISTS (
        SELECT 1 FROM mail_events m WHERE m.campaign_id = i."campaignId" AND m.line = i.line AND m.kind = 'machine_clicked'
          AND m.event_key = i."eventKey"))
      ORDER BY "campaignId", line, kind, "eventKey"
      ON CONFLICT DO NOTHING RETURNING campaign_id, line, kind, event_key),
    fresh AS (
      SELECT i.* FROM input i JOIN stored s
        ON s.campaign_id = i."campaignId" AND s.line = i.line AND s.kind = i.kind AND s.event_key = i."eventKey"),
    counted AS (
      INSERT INTO campaign_stats AS c (campaign_id, hour, kind, domain, n)
      SELECT "campaignId", date_trunc('hour', at), kind, domain, count(*) FROM fresh GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
      ON CONFLICT (campaign_id, hour, kind, domain) DO UPDATE SET n = c.n + excluded.n),
    suppressed AS (
      INSERT INTO suppressions AS s (tenant_id, topic, address_hash, address, reason, origin, expires_at)
      SELECT DISTINCT ON (tenant_id, hash) tenant_id, '*', hash, address,
        CASE kind WHEN 'complained' THEN 'complaint' ELSE 'hard-bounce' END, "campaignId"::text,
        CASE WHEN kind <> 'complained' THEN now() + ${HARD_BOUNCE_DAYS}::int * interval '1 day' END
      FROM fresh WHERE kind IN ('bounced_hard', 'complained', 'suppressed')
      ORDER BY tenant_id, hash, array_position(ARRAY['complained', 'bounced_hard', 'suppressed'], kind)
      ${replaceBounces(sql)}),
    event AS (
      SELECT CASE kind WHEN 'complained' THEN 'mail.complained' ELSE 'mail.bounced' END AS type, tenant_id, NULL::uuid AS file_id,
        "campaignId" AS job_id, jsonb_build_object('campaignId', "campaignId", 'line', line) AS detail, '{events}'::text[] AS topics
      FROM fresh WHERE kind IN ('bounced_hard', 'complained')),
    ${recordEvents(sql, 'ingestor')}
    SELECT i."campaignId", i.line::float8 AS line, i.kind, i."eventKey", i.tenant_id AS "tenantId",
      f."campaignId" IS NOT NULL AS "isNew"
    FROM input i LEFT JOIN fresh f USING ("campaignId", line, kind, "eventKey")`;
}

/** What people said, and what has no end, stays. */
function replaceBounces(sql: Sql) {
  return sql`
      ON CONFLICT (tenant_id, address_hash, topic) DO UPDATE SET reason = excluded.reason, origin = excluded.origin,
        expires_at = CASE WHEN s.expires_at IS NULL THEN NULL ELSE greatest(s.expires_at, excluded.expires_at) END
      WHERE s.reason IN ('hard-bounce', 'soft-bounces')`;
}

/** Also of events that are repeated: the process that stored them may have ended before it came here. Not of old ones, which may come again too. */
async function suppressSoft(
  sql: Sql,
  bounces: readonly (Pick<Fact, 'campaignId' | 'hash' | 'address'> & { readonly tenantId: string })[],
): Promise<void> {
  if (bounces.length === 0) return;
  const rows = bounces.map(({ campaignId, hash, address, tenantId }) => ({ campaignId, hash, address, tenantId }));
  await repeatOnDeadlock(
    () => sql`
    INSERT INTO suppressions AS s (tenant_id, topic, address_hash, address, reason, origin, expires_at)
    SELECT DISTINCT ON (i."tenantId", i.hash) i."tenantId", '*', i.hash, i.address, 'soft-bounces', i."campaignId",
      now() + ${SOFT_BOUNCE_DAYS}::int * interval '1 day'
    FROM jsonb_to_recordset(${toJsonb(rows)}::text::jsonb) AS i("campaignId" text, hash text, address text, "tenantId" text)
    WHERE (
      SELECT count(DISTINCT e.campaign_id) >= ${SOFT_BOUNCES}::int AND max(e.received_at) > now() - interval '1 hour' FROM mail_events e
      WHERE e.tenant_id = i."tenantId" AND e.address_hash = i.hash AND e.kind = 'bounced_soft')
    ORDER BY i."tenantId", i.hash
    ${replaceBounces(sql)}`,
  );
}

/** Holds a campaign whose mails come back, once enough were sent to tell. */
async function guard(sql: Sql, campaignId: string): Promise<void> {
  const [over] = await sql<{ reason: string }[]>`
    WITH sums AS (
      SELECT coalesce(sum(n) FILTER (WHERE kind = 'accepted'), 0)::float8 AS sent,
        coalesce(sum(n) FILTER (WHERE kind = 'bounced_hard'), 0)::float8 AS bounced,
        coalesce(sum(n) FILTER (WHERE kind = 'complained'), 0)::float8 AS complained
      FROM campaign_stats WHERE campaign_id = ${campaignId}),
    terms AS (
      SELECT (s.definition -> 'guard' ->> 'after')::float8 AS after, (s.definition -> 'guard' ->> 'hardBounces')::float8 AS bounces,
        (s.definition -> 'guard' ->> 'complaints')::float8 AS complaints
      FROM campaigns c JOIN senders s ON s.tenant_id = c.tenant_id AND s.name = c.sender WHERE c.id = ${campaignId} AND c.word = 'GO')
    SELECT 'REPUTATION_GUARD' AS reason FROM sums, terms
    WHERE sent >= after AND (bounced >= sent * bounces OR complained >= sent * complaints)`;
  if (over === undefined) return;
  await controlCampaign(sql, { id: campaignId, control: 'HELD', from: ['GO'], reason: over.reason, actor: 'ingestor' });
}
