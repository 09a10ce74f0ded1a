/**
 * How fast mails may go: the campaign's own rate, its sender's, and that of the account which all senders of a service share. Each is counted in
 * its row, over all workers.
 *
 * 1. A sender whose mails the service refuses as too many sends at half its rate for ten seconds, and then a tenth faster with each slice.
 * 2. Of the account's rate marketing leaves a part to the mails of contracts.
 */
import { LRUCache } from 'lru-cache';
import type { Sql } from '#shared/db/connect-database.ts';
import type { SenderDocument } from '#shared/definitions/sender-schema.ts';
import { createRateSlices, type RateSlices } from '#shared/partners/rate-slices.ts';
import { leaseAccountSlice, refreshAccount } from './lease-account-slice.ts';
import { leaseCampaignSlice, leaseSenderSlice, slowSender, spendQuota } from './lease-sender-slice.ts';
import type { LoadedCampaign } from './load-campaign.ts';
import type { MailTransports } from './mail-transports.ts';

export interface MailRates {
  /** 0: one mail may go now; else after how long to ask again. */
  take(campaign: LoadedCampaign, sender: SenderDocument): Promise<number>;
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
  const rates = new LRUCache<string, RateSlices>({ max: MOST_RATES });
  let lookAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  function slices(key: string, lease: Parameters<typeof createRateSlices>[0]): RateSlices {
    let found = rates.get(key);
    if (found === undefined) {
      found = createRateSlices(lease, now);
      rates.set(key, found);
    }
    return found;
  }

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

  return {
    async take(campaign, sender) {
      const { id, tenantId, senderName, ratePerSecond: own, isMarketing } = campaign;
      const { ratePerSecond, perDay } = sender.limits;
      const asked = [
        ...(own === null ? [] : [slices(`campaign ${id} ${own}`, () => leaseCampaignSlice(sql, id, own))]),
        slices(`sender ${tenantId}/${senderName} ${ratePerSecond} ${perDay}`, () =>
          leaseSenderSlice(sql, { tenantId, sender: senderName, ratePerSecond, perDay }),
        ),
      ];
      if (sender.transport === 'ses') {
        await look();
        const name = transports.accountName;
        asked.push(slices(`account ${name} ${isMarketing}`, () => leaseAccountSlice(sql, { name, isMarketing })));
      }
      for (const rate of asked) {
        const answer = await rate.take();
        if (answer.type === 'wait') return answer.afterMs;
      }
      return 0;
    },
    slow: ({ tenantId, senderName }) => slowSender(sql, { tenantId, sender: senderName }),
    spend: ({ tenantId, senderName }) => spendQuota(sql, { tenantId, sender: senderName }),
  };
}
