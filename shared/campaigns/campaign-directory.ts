/**
 * Campaigns as the record engine calls them: a partner named like the campaign's route, whose one operation sends one mail.
 *
 * 1. Right before a mail what was decided of its campaign and its recipient's suppression are asked of the database, for many mails in one statement: a pause
 *    counts from the next mail on, and so does an unsubscribe.
 * 2. What has to be waited for counts no try. The intent is stored last, once the mail has its turn: what a worker that dies leaves in doubt is no
 *    more than its requests. A request is made once.
 * 3. A version of a template never changes and is kept; campaign and sender are read again every few seconds.
 */
import { LRUCache } from 'lru-cache';
import pLimit, { type LimitFunction } from 'p-limit';
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import { type SenderDocument, senderDocumentSchema } from '#shared/definitions/sender-schema.ts';
import type { CallOutcome, PartnerCall } from '#shared/partners/call-partner.ts';
import type { FoundPartner, OpenPartner, PartnerDirectory, PostponedCall } from '#shared/partners/partner-directory.ts';
import { Coalescer } from '#shared/queue/coalescer.ts';
import { SecretError, type SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { within } from '#shared/runtime/within.ts';
import { REPEAT_FOR_MS } from '#shared/worker/job-commits.ts';
import { askGates, type Gate } from './ask-gates.ts';
import type { MailSent } from './campaign-mail.ts';
import { controlCampaign } from './campaign-store.ts';
import { composeMail, type UnsubscribeLinks } from './compose-mail.ts';
import { createMailTemplates, type LoadedCampaign, loadCampaign } from './load-campaign.ts';
import { addressHash } from './mail-address.ts';
import { createMailRates } from './mail-rates.ts';
import type { MailTransports } from './mail-transports.ts';
import { msUntilDue } from './send-window.ts';

export interface CampaignDirectoryOptions {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly transports: MailTransports;
  /** Marketing waits without them. */
  readonly unsubscribe: UnsubscribeLinks | undefined;
  readonly onSent?: (outcome: MailSent['type'] | 'suppressed' | 'render-failed') => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const NAME = /^campaign-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
const LOOK_AGAIN_MS = 2_000;
const LOOK_MS = 5_000;
const MOST_CAMPAIGNS = 1_000;
const PAUSED_MS = 60_000;
const UNREADY_MS = 5_000;
const THROTTLED_MS = 1_000;
const QUOTA_MS = 60_000;
const AWAY_MS = 2_000;
/** Servers that put mails of strangers off take them after minutes. */
const DEFERRED_MS = 900_000;
const WAITING_PER_SEND = 3;
/** Mails that are made for each one that has its turn: a turn would else be spent on looking at the campaign and on rendering. */
const READY_PER_SEND = 2;
/** Walks are begun for what the rate gives within so long: more would hold their chunk, and wait. */
const BEGUN_MS = 500;
/** What was seen of a campaign may be so old when a mail goes. */
const GATE_MS = 200;
/** Of a recipient's clock: asked again after a day at the latest. */
const LONGEST_POSTPONED_MS = 86_400_000;

interface SendParts {
  readonly campaign: LoadedCampaign;
  readonly sender: SenderDocument;
  /** Turns: of a mail from its time to its answer. */
  readonly requests: LimitFunction;
  readonly isWanted: () => boolean;
}

/** `away`: nobody takes requests there. */
type SendOutcome = CallOutcome | PostponedCall | 'away';

const metaSchema = z.object({ line: z.number(), tenant: z.string() });

export function createCampaignDirectory(options: CampaignDirectoryOptions): Pick<PartnerDirectory, 'find' | 'close'> {
  const { sql, secrets, transports, unsubscribe, onSent, now = () => performance.now() } = options;
  const opened = new LRUCache<string, { partner: OpenPartner; loaded: LoadedCampaign }>({ max: MOST_CAMPAIGNS });
  const looked = new LRUCache<string, { partner: OpenPartner; loaded: LoadedCampaign } | 'absent'>({
    max: MOST_CAMPAIGNS,
    ttl: LOOK_AGAIN_MS,
    fetchMethod: async (id) => await look(id),
  });
  const composing = { secrets, unsubscribe, findTemplate: createMailTemplates(sql) };
  const rates = createMailRates({ sql, transports, now });
  const gates = new Coalescer<{ id: string; hash: string }, Gate | undefined>({
    name: 'look-at-campaigns',
    run: (items) => repeatOnLostDatabase(() => askGates(sql, items), { deadlineMs: LOOK_MS, forMs: REPEAT_FOR_MS }),
    maxEntries: 250,
    concurrency: 2,
  });

  async function look(id: string) {
    const loaded = await loadCampaign(sql, id);
    if (loaded === undefined) return 'absent';
    const before = opened.get(id);
    if (before !== undefined && JSON.stringify(before.loaded) === JSON.stringify(loaded)) return before;
    const fresh = { loaded, partner: open(loaded) };
    opened.set(id, fresh);
    return fresh;
  }

  function open(campaign: LoadedCampaign): OpenPartner {
    const sender = senderDocumentSchema.safeParse(campaign.senderDefinition);
    const concurrency = sender.success ? mailsAtOnce(sender.data) : 1;
    const requests = pLimit(concurrency);
    const ready = pLimit(sender.success ? readyAtOnce(sender.data) : 1);
    let awayUntil = 0;
    return {
      definition: partnerOf(campaign),
      begun: pLimit(sender.success ? begunAtOnce(campaign, sender.data) : 1),
      whileStoring: (store) => store(),
      isPaused: false,
      get closedForMs() {
        return Math.max(0, awayUntil - now());
      },
      call: (call, isWanted) =>
        ready(async () => {
          if (!isWanted()) return { type: 'withdrawn' };
          if (!sender.success) return wait(UNREADY_MS);
          const outcome = await send({ campaign, sender: sender.data, requests, isWanted }, call);
          if (outcome === 'away') {
            awayUntil = now() + AWAY_MS;
            return wait(AWAY_MS);
          }
          return outcome;
        }),
    };
  }

  async function send({ campaign, sender, requests, isWanted }: SendParts, call: PartnerCall): Promise<SendOutcome> {
    const { line } = metaSchema.parse(call.values.meta);
    const values = call.values.record as Readonly<Record<string, unknown>>;
    if (typeof values.email !== 'string') {
      onSent?.('suppressed');
      return final('SUPPRESSED', 'The recipient was erased.');
    }
    const address = values.email;
    const hash = addressHash(address);
    let lookedMs = 0;
    const lookAtGate = async () => {
      lookedMs = now();
      return closedBy(await gates.add({ id: campaign.id, hash }), campaign, values);
    };
    const closed = await lookAtGate();
    if (closed !== undefined) return closed;
    const composed = await composeMail(composing, campaign, sender, { address, hash, line, values }).catch(
      (error: unknown) => {
        if (error instanceof SecretError) return { type: 'not-ready' } as const;
        throw error;
      },
    );
    if (composed.type === 'not-ready') return wait(UNREADY_MS);
    if (composed.type === 'faulty') {
      onSent?.('render-failed');
      return final('RENDER_FAILED', composed.message);
    }
    const pace = rates.paceOf(campaign, sender);
    return await requests(async () => {
      if (!isWanted()) return { type: 'withdrawn' };
      const waitMs = await pace.take();
      if (waitMs > 0) return wait(waitMs);
      const closedMeanwhile = now() - lookedMs > GATE_MS ? await lookAtGate() : undefined;
      if (closedMeanwhile !== undefined) {
        pace.giveBack();
        return closedMeanwhile;
      }
      if (call.beforeSend !== undefined && !(await call.beforeSend())) return { type: 'withdrawn' };
      const by = { tenantId: campaign.tenantId, sender, signal: call.signal };
      const sent = await transports.send(composed.mail, by);
      onSent?.(sent.type);
      return await judge(campaign, sent);
    });
  }

  /** Undefined: the mail may go. */
  function closedBy(
    gate: Gate | undefined,
    campaign: LoadedCampaign,
    { time_zone: zone }: Readonly<Record<string, unknown>>,
  ): CallOutcome | PostponedCall | undefined {
    if (gate === undefined) return final('CAMPAIGN_CANCELLED', 'The campaign is gone.');
    if (gate.control === 'CANCELLED')
      return final('CAMPAIGN_CANCELLED', 'The campaign was cancelled before this mail was sent.');
    if (gate.isSuppressed) {
      onSent?.('suppressed');
      return final('SUPPRESSED', 'The address gets no mail of this topic.');
    }
    if (gate.control !== 'GO') return wait(PAUSED_MS);
    if (gate.startsInMs > 0) return wait(gate.startsInMs);
    const closedMs = msUntilDue(campaign, typeof zone === 'string' ? zone : undefined, gate.nowMs);
    if (closedMs <= 0) return undefined;
    // Others of its chunk may be in the middle of their day.
    if (campaign.isRecipientZone) return { type: 'postponed', afterMs: Math.min(closedMs, LONGEST_POSTPONED_MS) };
    return wait(closedMs);
  }

  async function judge(campaign: LoadedCampaign, sent: MailSent): Promise<CallOutcome | 'away'> {
    const { id } = campaign;
    switch (sent.type) {
      case 'sent':
        return { type: 'success', output: {}, ...(sent.messageId !== '' && { reference: sent.messageId }) };
      case 'refused':
        return final('MESSAGE_REJECTED', sent.reason);
      case 'deferred':
        return { type: 'retryable', cause: 'MAIL_DEFERRED', message: sent.reason, afterMs: DEFERRED_MS };
      case 'throttled':
        await said(rates.slow(campaign));
        return wait(THROTTLED_MS);
      case 'quota':
        await said(rates.spend(campaign));
        return wait(QUOTA_MS);
      case 'stopped':
        await said(
          controlCampaign(sql, { id, control: 'HELD', from: ['GO'], reason: sent.reason, actor: 'partner-worker' }),
        );
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

/** Mails of one request side by side count for themselves. */
function mailsAtOnce(sender: SenderDocument): number {
  return sender.limits.concurrency * (sender.transport === 'ses' ? sender.batch : 1);
}

/** Of a batch there are many anyway, and each has the whole mail in memory. */
function readyAtOnce(sender: SenderDocument): number {
  const isSingle = sender.transport !== 'ses' || sender.batch === 1;
  return mailsAtOnce(sender) * (isSingle ? READY_PER_SEND : 1);
}

function begunAtOnce({ ratePerSecond: own }: LoadedCampaign, sender: SenderDocument): number {
  const perSecond = Math.min(own ?? Number.POSITIVE_INFINITY, sender.limits.ratePerSecond);
  return Math.min(mailsAtOnce(sender) * WAITING_PER_SEND, Math.max(1, Math.ceil((perSecond * BEGUN_MS) / 1_000)));
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

/**
 * What is noted next to a mail's outcome. Where the database does not take it, the next mail meets the same answer; without the outcome this one
 * would be in doubt, although it was not sent.
 */
async function said(note: Promise<unknown>): Promise<void> {
  await within(note, LOOK_MS, () => undefined).catch(() => undefined);
}

function wait(afterMs: number): CallOutcome {
  return { type: 'wait', afterMs, reason: 'rate' };
}

function final(cause: string, message: string): CallOutcome {
  return { type: 'failed', isFinal: true, cause, message };
}
