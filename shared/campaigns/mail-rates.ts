/** How fast mails may go: the campaign's own rate, its sender's, and that of the account which all senders of a service share. */
import { setTimeout as delay } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Sql } from '#shared/db/connect-database.ts';
import type { SenderDocument } from '#shared/definitions/sender-schema.ts';
import { leaseMails, SLICE_MS } from './lease-mails.ts';
import type { LoadedCampaign } from './load-campaign.ts';
import { refreshAccount } from './mail-account.ts';
import type { MailTransports } from './mail-transports.ts';
import { createMailPace, type MailPace } from './pace-mails.ts';
import { slowSender, spendQuota } from './sender-pace.ts';

export interface MailRates {
  /** Of the campaign's mails; to be asked for again when its sender has changed. */
  paceOf(campaign: LoadedCampaign, sender: SenderDocument): MailPace;
  /** The service refused a mail as one too many. */
  slow(campaign: LoadedCampaign): Promise<void>;
  /** The service takes no more of this day. */
  spend(campaign: LoadedCampaign): Promise<void>;
}

const MOST_RATES = 2_000;
const ACCOUNT_LOOK_MS = 30_000;

export function createMailRates({
  sql,
  transports,
  now,
}: {
  readonly sql: Sql;
  readonly transports: Pick<MailTransports, 'account' | 'accountName'>;
  readonly now: () => number;
}): MailRates {
  const paces = new LRUCache<string, MailPace>({ max: MOST_RATES });
  let lookAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  /** The first mail waits for what the account allows; later ones do not wait for a look again. */
  async function look(): Promise<void> {
    if (now() < lookAt) return looking;
    const isFirst = lookAt === Number.NEGATIVE_INFINITY;
    lookAt = now() + ACCOUNT_LOOK_MS;
    const look = refreshAccount(sql, transports).catch(() => undefined);
    if (!isFirst) return;
    looking = look.then(() => {
      looking = undefined;
    });
    await looking;
  }

  function open(campaign: LoadedCampaign, sender: SenderDocument): MailPace {
    const { id: campaignId, tenantId, senderName, ratePerSecond: campaignRate, isMarketing } = campaign;
    const account = sender.transport === 'ses' ? transports.accountName : null;
    const { ratePerSecond, perDay } = sender.limits;
    return createMailPace({
      ...{ sliceMs: SLICE_MS, now, sleep: (ms) => delay(ms) },
      async lease(wish) {
        if (account !== null) await look();
        const of = {
          campaignId,
          campaignRate,
          tenantId,
          sender: senderName,
          ratePerSecond,
          perDay,
          account,
          isMarketing,
        };
        return await leaseMails(sql, { ...of, ...wish });
      },
    });
  }

  return {
    paceOf(campaign, sender) {
      const { ratePerSecond, perDay } = sender.limits;
      const key = JSON.stringify([campaign.id, campaign.ratePerSecond, sender.transport, ratePerSecond, perDay]);
      let pace = paces.get(key);
      if (pace === undefined) {
        pace = open(campaign, sender);
        paces.set(key, pace);
      }
      return pace;
    },
    slow: ({ tenantId, senderName }) => slowSender(sql, { tenantId, sender: senderName }),
    spend: ({ tenantId, senderName }) => spendQuota(sql, { tenantId, sender: senderName }),
  };
}
