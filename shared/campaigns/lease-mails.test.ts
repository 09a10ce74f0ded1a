/** Times of mails as a real database gives them, to several workers and campaigns of several tenants. */
import { randomUUIDv7 } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { leaseMails, type MailsWanted, SLICE_MS } from './lease-mails.ts';
import { createMailPace } from './pace-mails.ts';
import { slowSender } from './sender-pace.ts';

let sql: Sql;
useTestDatabase((connected) => {
  sql = connected;
});

const ACCOUNT = 'ses/test';
const TENANTS = ['acme', 'globex'];

beforeEach(async () => {
  await emptyTables(sql, 'senders', 'mail_accounts', 'campaigns');
  for (const tenantId of TENANTS) {
    await seedTenant(sql, { tenantId, routes: 0 }).catch(() => undefined);
    await sql`
      INSERT INTO senders (tenant_id, name, definition, definition_hash, version, created_by) VALUES (${tenantId}, 'news', '{}', 'x', 1, 'test')`;
  }
});

async function seedCampaign(tenantId = 'acme'): Promise<string> {
  const id = randomUUIDv7();
  await sql`
    INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
      file_ref, request_hash, created_by)
    VALUES (${id}, ${tenantId}, 'June', ${randomUUIDv7()}, ${randomUUIDv7()}, 'spring', 1, 'news', 'newsletter', true,
      ${randomUUIDv7()}, 'x', 'test')`;
  return id;
}

const BASE: MailsWanted = {
  ...{
    campaignId: randomUUIDv7(),
    campaignRate: null,
    tenantId: 'acme',
    sender: 'news',
    ratePerSecond: 100,
    perDay: undefined,
  },
  ...{ account: null, isMarketing: false, wanted: 1_000, unused: 0 },
};
const lease = (own: Partial<MailsWanted> = {}) => leaseMails(sql, { ...BASE, ...own });
const given = async (own: Partial<MailsWanted> = {}) => {
  const times = await lease(own);
  return 'mails' in times ? times.mails : 0;
};
test('a mail needs time of its campaign, its sender and its account, and takes of all of them or of none', async () => {
  const campaignId = await seedCampaign();
  await sql`INSERT INTO mail_accounts (name, max_per_second) VALUES (${ACCOUNT}, 200)`;
  const own = { campaignId, campaignRate: 40, account: ACCOUNT, isMarketing: true };
  expect(await lease(own)).toEqual({ mails: 10, fromMs: expect.closeTo(0, 3), everyMs: 25 });
  const worth = await sql<{ ms: number }[]>`
    SELECT round(extract(epoch FROM until - now()) * 1000)::int AS ms FROM (
      SELECT rate_given_until AS until FROM campaigns UNION ALL SELECT rate_given_until FROM senders WHERE tenant_id = 'acme'
      UNION ALL SELECT rate_given_until FROM mail_accounts UNION ALL SELECT marketing_given_until FROM mail_accounts) AS r`;
  for (const [index, ms] of [250, 100, 50, 62.5].entries()) {
    expect(worth[index]?.ms).toBeLessThanOrEqual(ms + 1);
    expect(worth[index]?.ms).toBeGreaterThan(ms - 5_000);
  }
  await sql`UPDATE campaigns SET rate_given_until = now() + interval '1 hour'`;
  const before = await sql`SELECT rate_given_until FROM senders UNION ALL SELECT rate_given_until FROM mail_accounts`;
  expect(await lease(own)).toEqual({ againMs: expect.closeTo(3_599_750, -4) });
  expect(await sql`SELECT rate_given_until FROM senders UNION ALL SELECT rate_given_until FROM mail_accounts`).toEqual(
    before,
  );
});

test('what was not used, and time that nobody asked for, is made up for within the second; later it is gone', async () => {
  /** In one transaction, that has one time. */
  const leaseAfter = (until: string, own: Partial<MailsWanted> = {}) =>
    sql.begin(async (tx) => {
      await tx`UPDATE senders SET rate_given_until = now() + ${until}::text::interval, given = 50, given_on = (now() AT TIME ZONE 'UTC')::date`;
      return await leaseMails(tx as unknown as Sql, { ...BASE, ...own });
    });
  expect(await leaseAfter('-500 ms')).toEqual({ mails: 25, fromMs: -500, everyMs: 10 });
  expect(await leaseAfter('100 ms', { unused: 20, wanted: 5 })).toEqual({ mails: 5, fromMs: -100, everyMs: 10 });
  expect(await sql`SELECT given FROM senders WHERE tenant_id = 'acme'`).toMatchObject([{ given: 35 }]);
  expect(await leaseAfter('100 ms', { unused: 1_000 })).toMatchObject({ fromMs: -750 });
  expect(await leaseAfter('-5 s')).toMatchObject({ fromMs: 0 });
  expect(await leaseAfter('300 ms')).toEqual({ againMs: 50 });
});

test('a day’s quota is given to the last mail, and no more; a sender that is gone is given nothing', async () => {
  await sql`UPDATE senders SET given = 990, given_on = (now() AT TIME ZONE 'UTC')::date`;
  expect(await given({ perDay: 1_000 })).toBe(10);
  expect(await lease({ perDay: 1_000 })).toEqual({ againMs: 30_000 });
  expect(await lease({ sender: 'nobody' })).toEqual({ againMs: 30_000 });
  await sql`INSERT INTO mail_accounts (name, max_per_second, max_per_day, sent_last_day) VALUES (${ACCOUNT}, 100, 500, 500)`;
  expect(await lease({ account: ACCOUNT })).toEqual({ againMs: 30_000 });
});

test('a sender that was refused goes on at half its rate', async () => {
  const spacing = async () => {
    await sql`UPDATE senders SET rate_given_until = NULL`;
    const times = await lease();
    return 'mails' in times ? times.everyMs : 0;
  };
  expect(await spacing()).toBe(10);
  // Refused twice at once, it is slowed once.
  await slowSender(sql, BASE);
  await slowSender(sql, BASE);
  expect(await spacing()).toBe(20);
  await sql`UPDATE senders SET slowed_until = now()`;
  const faster = await spacing();
  expect([faster > 18, faster < 19]).toEqual([true, true]);
});

test('marketing leaves a fifth of the account’s rate, and an account without a rate bounds nobody', async () => {
  const own = { account: ACCOUNT, ratePerSecond: 10_000 };
  expect(await given({ ...own, isMarketing: true })).toBe(1_000);
  await sql`INSERT INTO mail_accounts (name, max_per_second) VALUES (${ACCOUNT}, 100)`;
  expect(await lease({ ...own, isMarketing: true })).toMatchObject({ mails: 20, everyMs: 12.5 });
  // Marketing has all of its part; the rest is there.
  await sql`UPDATE mail_accounts SET rate_given_until = now(), marketing_given_until = now() + interval '1 hour'`;
  expect(await given({ ...own, isMarketing: true })).toBe(0);
  expect(await given(own)).toBe(25);
});

test('tenants that wait for the account take turns, however often one of them asks', async () => {
  await sql`INSERT INTO mail_accounts (name, max_per_second) VALUES (${ACCOUNT}, 1000)`;
  const own = { account: ACCOUNT, ratePerSecond: 10_000, isMarketing: true };
  const turns: string[] = [];
  for (let ask = 0; turns.length < 12; ask += 1) {
    // Greedy asks three times as often.
    const tenantId = ask % 4 === 3 ? 'globex' : 'acme';
    const times = await sql.begin(async (tx) => {
      await tx`UPDATE mail_accounts SET rate_given_until = now() + interval '200 ms', marketing_given_until = now() + interval '200 ms'`;
      return await leaseMails(tx as unknown as Sql, { ...BASE, ...own, tenantId });
    });
    if ('mails' in times) turns.push(tenantId);
    await sql`UPDATE mail_accounts SET rate_given_until = now() + interval '1 hour', marketing_given_until = now() + interval '1 hour'`;
    for (const other of TENANTS) await lease({ ...own, tenantId: other });
  }
  expect(turns.filter((tenantId) => tenantId === 'globex')).toHaveLength(6);
});

test('three workers with two campaigns send no more mails than the rate allows at any moment, each at a time of its own', async () => {
  const [started] = await sql<{ at: Date }[]>`SELECT clock_timestamp() AS at`;
  const campaignIds = [await seedCampaign(), await seedCampaign()];
  const ratePerSecond = 400;
  const mails = 300;
  let sent = 0;
  const paces = [1, 2, 3].flatMap(() =>
    campaignIds.map((campaignId) =>
      createMailPace({
        ...{ sliceMs: SLICE_MS, now: () => performance.now(), sleep: (ms) => delay(ms) },
        lease: (wish) => leaseMails(sql, { ...BASE, campaignId, ratePerSecond, ...wish }),
      }),
    ),
  );
  const most: number[] = [];
  const work = async (pace: (typeof paces)[number]): Promise<void> => {
    while (sent < mails) {
      const waitMs = await pace.take();
      if (waitMs > 0) await delay(waitMs);
      else {
        sent += 1;
        most.push(Date.now());
      }
    }
  };
  await Promise.all(paces.flatMap((pace) => [work(pace), work(pace)]));
  const early = most.filter((at, index) => at - Number(started?.at) < (index * 1_000) / ratePerSecond - 5);
  expect(early).toEqual([]);
});

test('a pace that is refused for long gives its mail back, and what is given back goes first', async () => {
  const wishes: object[] = [];
  let isRefusing = false;
  const pace = createMailPace({
    ...{ sliceMs: SLICE_MS, now: () => performance.now(), sleep: (ms) => delay(ms) },
    lease: async (wish) => {
      wishes.push(wish);
      return isRefusing ? { againMs: 60_000 } : { mails: 2, fromMs: 0, everyMs: 1 };
    },
  });
  expect(await pace.take()).toBe(0);
  expect(await pace.take()).toBe(0);
  pace.giveBack();
  expect(await pace.take()).toBe(0);
  expect(wishes).toEqual([{ wanted: 1, unused: 0 }]);
  isRefusing = true;
  expect(await pace.take()).toBeGreaterThan(59_000);
  expect(await pace.take()).toBeGreaterThan(50_000);
  expect(wishes).toHaveLength(2);
});
