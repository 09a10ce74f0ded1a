/**
 * Campaigns as the record engine calls them: a partner named like the campaign's route, whose one operation sends one mail.
 *
 * 1. Right before a mail its campaign's word and its recipient's suppression are asked of the database, for many mails in one statement: a pause
 *    counts from the next mail on, and so does an unsubscribe.
 * 2. What has to be waited for counts no try. The intent is stored last, and a request is made once.
 * 3. A version of a template never changes and is kept; campaign and sender are read again every few seconds.
 */
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import type { CampaignWord } from '#shared/db/schema.ts';
import { partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import { type SenderDocument, senderDocumentSchema } from '#shared/definitions/sender-schema.ts';
import type { CallOutcome, PartnerCall } from '#shared/partners/call-partner.ts';
import type { FoundPartner, OpenPartner, PartnerDirectory } from '#shared/partners/partner-directory.ts';
import { createRateSlices, type RateSlices } from '#shared/partners/rate-slices.ts';
import { Coalescer } from '#shared/queue/coalescer.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import type { CampaignMail, MailSent } from './campaign-mail.ts';
import { type SendWindow, sayWord } from './campaign-store.ts';
import { leaseCampaignSlice, leaseSenderSlice } from './lease-sender-slice.ts';
import { addressHash } from './mail-address.ts';
import type { MailTransports } from './mail-transports.ts';
import { type CompiledMail, compileMail, renderMail } from './render-mail.ts';
import { msUntilOpen } from './send-window.ts';
import { writeUnsubscribeToken } from './unsubscribe-token.ts';

export interface CampaignDirectoryOptions {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly transports: MailTransports;
  /** Name of the secret that unsubscribe links are signed with, and where they lead; marketing waits without it. */
  readonly unsubscribe: { readonly secretName: string; readonly publicUrl: string } | undefined;
  readonly onSent?: (outcome: MailSent['type'] | 'suppressed' | 'render-failed') => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const NAME = /^campaign-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
const LOOK_AGAIN_MS = 2_000;
const MOST_CAMPAIGNS = 1_000;
const MOST_TEMPLATES = 200;
const PAUSED_MS = 60_000;
const UNREADY_MS = 5_000;
const THROTTLED_MS = 1_000;
const QUOTA_MS = 60_000;
const AWAY_MS = 2_000;
const WAITING_PER_SEND = 3;

interface LoadedCampaign {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly templateId: string;
  readonly templateVersion: number;
  readonly senderName: string;
  readonly topic: string;
  readonly isMarketing: boolean;
  readonly defaults: Readonly<Record<string, string>>;
  readonly window: SendWindow | null;
  readonly ratePerSecond: number | null;
  readonly senderDefinition: unknown;
}

interface Gate {
  readonly word: CampaignWord;
  readonly startsInMs: number;
  readonly nowMs: number;
  readonly isSuppressed: boolean;
}

const metaSchema = z.object({ line: z.number(), tenant: z.string() });

export function createCampaignDirectory(options: CampaignDirectoryOptions): Pick<PartnerDirectory, 'find' | 'close'> {
  const { sql, secrets, transports, unsubscribe, onSent, now = () => performance.now() } = options;
  const opened = new LRUCache<string, { partner: OpenPartner; loaded: LoadedCampaign }>({ max: MOST_CAMPAIGNS });
  const looked = new LRUCache<string, { partner: OpenPartner; loaded: LoadedCampaign } | 'absent'>({
    max: MOST_CAMPAIGNS,
    ttl: LOOK_AGAIN_MS,
    fetchMethod: async (id) => await look(id),
  });
  const templates = new LRUCache<string, CompiledMail>({ max: MOST_TEMPLATES });
  const rates = new LRUCache<string, RateSlices>({ max: MOST_CAMPAIGNS });
  const gates = new Coalescer<{ id: string; hash: string }, Gate | undefined>({
    name: 'look-at-campaigns',
    run: (items) => askGates(sql, items),
    maxEntries: 250,
    concurrency: 2,
  });

  async function look(id: string) {
    const [loaded] = await sql<LoadedCampaign[]>`
      SELECT c.id, c.tenant_id AS "tenantId", c.name, c.template_id AS "templateId", c.template_version AS "templateVersion",
        c.sender AS "senderName", c.topic, c.is_marketing AS "isMarketing", c.defaults, c.send_window AS "window",
        c.rate_per_second AS "ratePerSecond", s.definition AS "senderDefinition"
      FROM campaigns c LEFT JOIN senders s ON s.tenant_id = c.tenant_id AND s.name = c.sender AND s.removed_at IS NULL
      WHERE c.id = ${id}`;
    if (loaded === undefined) return 'absent';
    const before = opened.get(id);
    if (before !== undefined && JSON.stringify(before.loaded) === JSON.stringify(loaded)) return before;
    const fresh = { loaded, partner: open(loaded) };
    opened.set(id, fresh);
    return fresh;
  }

  function open(campaign: LoadedCampaign): OpenPartner {
    const sender = senderDocumentSchema.safeParse(campaign.senderDefinition);
    const concurrency = sender.success ? sender.data.limits.concurrency : 1;
    const sends = pLimit(concurrency);
    let awayUntil = 0;
    return {
      definition: partnerOf(campaign),
      begun: pLimit(concurrency * WAITING_PER_SEND),
      whileStoring: (store) => store(),
      get breakerOpenForMs() {
        return Math.max(0, awayUntil - now());
      },
      call: (call, isWanted) =>
        sends(async () => {
          if (!isWanted()) return { type: 'withdrawn' };
          if (!sender.success) return wait(UNREADY_MS);
          const outcome = await send(campaign, sender.data, call);
          if (outcome === 'away') {
            awayUntil = now() + AWAY_MS;
            return wait(AWAY_MS);
          }
          return outcome;
        }),
    };
  }

  async function send(
    campaign: LoadedCampaign,
    sender: SenderDocument,
    call: PartnerCall,
  ): Promise<CallOutcome | 'away'> {
    const { record, meta } = call.values;
    const { line } = metaSchema.parse(meta);
    const address = String((record as Readonly<Record<string, unknown>>).email);
    const hash = addressHash(address);
    const gate = await gates.add({ id: campaign.id, hash });
    if (gate === undefined) return final('CAMPAIGN_CANCELLED', 'The campaign is gone.');
    if (gate.word === 'CANCELLED')
      return final('CAMPAIGN_CANCELLED', 'The campaign was cancelled before this mail was sent.');
    if (gate.isSuppressed) {
      onSent?.('suppressed');
      return final('SUPPRESSED', 'The address gets no mail of this topic.');
    }
    if (gate.word !== 'GO') return wait(PAUSED_MS);
    const closedMs = Math.max(gate.startsInMs, campaign.window === null ? 0 : msUntilOpen(campaign.window, gate.nowMs));
    if (closedMs > 0) return wait(closedMs);
    const mail = await compose(campaign, sender, { address, hash, line, record });
    if (mail === 'not-ready') return wait(UNREADY_MS);
    if (typeof mail === 'string') {
      onSent?.('render-failed');
      return final('RENDER_FAILED', mail);
    }
    const waitMs = await takeRate(campaign, sender);
    if (waitMs > 0) return wait(waitMs);
    if (call.beforeSend !== undefined && !(await call.beforeSend())) return { type: 'withdrawn' };
    const sent = await transports.send(mail, { tenantId: campaign.tenantId, sender, signal: call.signal });
    onSent?.(sent.type);
    return await judge(campaign, sent);
  }

  async function compose(
    campaign: LoadedCampaign,
    sender: SenderDocument,
    { address, hash, line, record }: { address: string; hash: string; line: number; record: unknown },
  ): Promise<CampaignMail | 'not-ready' | string> {
    const template = await findTemplate(campaign);
    if (template === undefined) return 'not-ready';
    const url = await unsubscribeUrl(campaign, hash, line);
    if (url === undefined && campaign.isMarketing) return 'not-ready';
    const filled = Object.entries(record as Readonly<Record<string, unknown>>).filter(([, value]) => value !== null);
    const values = { ...campaign.defaults, ...Object.fromEntries(filled), email: address, unsubscribe_url: url ?? '' };
    const rendered = renderMail(template, values);
    if (!rendered.ok) return rendered.message;
    const id = `${campaign.id}.${line}`;
    const oneClick: Record<string, string> =
      campaign.isMarketing && url !== undefined
        ? { 'List-Unsubscribe': `<${url}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' }
        : { 'Auto-Submitted': 'auto-generated' };
    return {
      ...rendered.mail,
      from: sender.from,
      replyTo: sender.replyTo,
      to: address,
      messageId: `${id}@longshore.invalid`,
      headers: {
        ...oneClick,
        'List-Id': `<${campaign.topic}.${campaign.tenantId}.longshore.invalid>`,
        'X-Longshore-Message': id,
      },
      tags: { ls_campaign: campaign.id, ls_line: String(line) },
    };
  }

  async function unsubscribeUrl({ id }: LoadedCampaign, hash: string, line: number): Promise<string | undefined> {
    if (unsubscribe === undefined) return undefined;
    const { text } = await secrets.read(unsubscribe.secretName);
    const token = writeUnsubscribeToken({ campaignId: id, line, addressHash: hash }, text);
    return `${unsubscribe.publicUrl.replace(/\/+$/, '')}/u/${token}`;
  }

  async function findTemplate({
    tenantId,
    templateId,
    templateVersion,
  }: LoadedCampaign): Promise<CompiledMail | undefined> {
    const key = `${tenantId}/${templateId}/${templateVersion}`;
    const known = templates.get(key);
    if (known !== undefined) return known;
    const [row] = await sql<{ subject: string; html: string; text: string }[]>`
      SELECT subject, html, "text" FROM templates
      WHERE tenant_id = ${tenantId} AND id = ${templateId} AND version = ${templateVersion} AND status = 'READY'`;
    const compiled = row && compileMail(row);
    if (compiled?.ok !== true) return undefined;
    templates.set(key, compiled.mail);
    return compiled.mail;
  }

  async function takeRate(campaign: LoadedCampaign, sender: SenderDocument): Promise<number> {
    const { tenantId, senderName, ratePerSecond: own } = campaign;
    const { ratePerSecond, perDay } = sender.limits;
    if (own !== null) {
      const answer = await slices(`campaign ${campaign.id} ${own}`, () =>
        leaseCampaignSlice(sql, campaign.id, own),
      ).take();
      if (answer.type === 'wait') return answer.afterMs;
    }
    const answer = await slices(`sender ${tenantId}/${senderName} ${ratePerSecond} ${perDay}`, () =>
      leaseSenderSlice(sql, { tenantId, sender: senderName, ratePerSecond, perDay }),
    ).take();
    return answer.type === 'wait' ? answer.afterMs : 0;
  }

  function slices(key: string, lease: Parameters<typeof createRateSlices>[0]): RateSlices {
    let found = rates.get(key);
    if (found === undefined) {
      found = createRateSlices(lease, now);
      rates.set(key, found);
    }
    return found;
  }

  async function judge({ id }: LoadedCampaign, sent: MailSent): Promise<CallOutcome | 'away'> {
    switch (sent.type) {
      case 'sent':
        return { type: 'success', output: {}, ...(sent.messageId !== '' && { reference: sent.messageId }) };
      case 'refused':
        return final('MESSAGE_REJECTED', sent.reason);
      case 'throttled':
        return wait(THROTTLED_MS);
      case 'quota':
        return wait(QUOTA_MS);
      case 'stopped':
        await sayWord(sql, { id, word: 'HELD', from: ['GO'], reason: sent.reason, actor: 'partner-worker' });
        return wait(PAUSED_MS);
      case 'not-sent':
        return 'away';
      case 'unknown': {
        const message = `The mail service did not say whether it took the mail: ${sent.reason}.`;
        return { type: 'ambiguous', cause: 'SEND_UNKNOWN', message };
      }
    }
  }

  return {
    async find(_tenantId, name): Promise<FoundPartner> {
      const id = NAME.exec(name)?.[1];
      const found = id === undefined ? 'absent' : await looked.fetch(id);
      if (found === undefined || found === 'absent') return { ok: false, message: `There is no ${name}.` };
      return { ok: true, partner: found.partner };
    },
    close() {
      transports.close();
    },
  };
}

/** Campaigns by their names, and partners by all others. */
export function withCampaigns(
  partners: PartnerDirectory,
  campaigns: Pick<PartnerDirectory, 'find' | 'close'>,
): PartnerDirectory {
  return {
    find: (tenantId, name) => (NAME.test(name) ? campaigns : partners).find(tenantId, name),
    states: () => partners.states(),
    close() {
      campaigns.close();
      partners.close();
    },
  };
}

async function askGates(sql: Sql, items: readonly { id: string; hash: string }[]): Promise<(Gate | undefined)[]> {
  const rows = await sql<(Gate & { position: number })[]>`
    SELECT i.position::int AS position, c.word, greatest(0, extract(epoch FROM c.starts_at - now()) * 1000)::float8 AS "startsInMs",
      (extract(epoch FROM now()) * 1000)::float8 AS "nowMs",
      EXISTS (
        SELECT 1 FROM suppressions s
        WHERE s.tenant_id = c.tenant_id AND s.address_hash = i.hash AND s.topic IN ('*', c.topic)
          AND (s.expires_at IS NULL OR s.expires_at > now())
          AND (c.is_marketing OR s.reason <> 'unsubscribed')) AS "isSuppressed"
    FROM unnest(${items.map(({ id }) => id)}::uuid[], ${items.map(({ hash }) => hash)}::text[]) WITH ORDINALITY AS i(id, hash, position)
      JOIN campaigns c ON c.id = i.id`;
  const byPosition = new Map(rows.map((row) => [row.position, row]));
  return items.map((_item, index) => {
    const row = byPosition.get(index + 1);
    return row && { ...row, startsInMs: row.startsInMs ?? 0 };
  });
}

function partnerOf({ id, tenantId }: LoadedCampaign) {
  return partnerDocumentSchema.parse({
    kind: 'partner',
    tenant: tenantId,
    name: `campaign-${id}`,
    baseUrl: 'https://mail.invalid',
    operations: { send: { method: 'POST', path: '/', idempotent: false, idempotencyHeader: 'none' } },
  });
}

function wait(afterMs: number): CallOutcome {
  return { type: 'wait', afterMs, reason: 'rate' };
}

function final(cause: string, message: string): CallOutcome {
  return { type: 'failed', isFinal: true, cause, message };
}
