/** Links of mails outlive the campaigns that they are of. */
import { randomUUIDv7 } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { seedTenant, TEST_TENANT } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { addressHash } from './mail-address.ts';
import { findSuppressions, findUnsubscribe, undoUnsubscribe, unsubscribe } from './suppression-store.ts';
import type { Unsubscribe } from './unsubscribe-token.ts';

let sql: Sql;
useTestDatabase(
  (connected) => {
    sql = connected;
  },
  { poolMax: 1 },
);

const ADDRESS = 'ada@example.com';
const at = { tenantId: TEST_TENANT, address: ADDRESS };
let link: Unsubscribe;

beforeEach(async () => {
  await seedTenant(sql).catch(() => undefined);
  await sql`DELETE FROM suppressions`;
  link = {
    ...{ campaignId: randomUUIDv7(), line: 2, addressHash: addressHash(ADDRESS) },
    from: { tenantId: TEST_TENANT, topic: 'newsletter', isMarketing: true },
  };
});

test('a link counts after its campaign was deleted: from what it says, and can be taken back', async () => {
  expect(await findUnsubscribe(sql, link)).toMatchObject({ topic: 'newsletter', isUnsubscribed: false });
  await unsubscribe(sql, link);
  await unsubscribe(sql, link);
  expect(await findSuppressions(sql, at)).toMatchObject([{ topic: 'newsletter', reason: 'unsubscribed' }]);
  expect(await findUnsubscribe(sql, link)).toMatchObject({ isUnsubscribed: true, canUndo: true });
  await undoUnsubscribe(sql, link);
  expect(await findSuppressions(sql, at)).toEqual([]);
  expect([...(await sql`SELECT kind FROM campaign_stats WHERE campaign_id = ${link.campaignId}`)]).toEqual([]);
});

test.each([
  ['of what belongs to a contract', { tenantId: TEST_TENANT, topic: 'billing', isMarketing: false }],
  ['of a tenant that is gone', { tenantId: 'nobody', topic: 'newsletter', isMarketing: true }],
  ['of the first version', undefined],
])('a link %s, without its campaign, unsubscribes from nothing', async (_what, from) => {
  const { from: _from, ...message } = link;
  await unsubscribe(sql, { ...message, ...(from && { from }) });
  expect([...(await sql`SELECT topic FROM suppressions`)]).toEqual([]);
});

test('while the campaign is there, its own topic counts', async () => {
  await sql`
    INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
      file_ref, request_hash, created_by)
    VALUES (${link.campaignId}, ${TEST_TENANT}, 'June', ${randomUUIDv7()}, ${randomUUIDv7()}, 'spring', 1, 'news', 'offers', true,
      ${randomUUIDv7()}, 'x', 'test')`;
  const { from: _from, ...ofFirstVersion } = link;
  for (const each of [link, ofFirstVersion]) await unsubscribe(sql, each);
  expect(await findSuppressions(sql, at)).toMatchObject([{ topic: 'offers' }]);
  expect([...(await sql`SELECT kind, n FROM campaign_stats WHERE campaign_id = ${link.campaignId}`)]).toEqual([
    { kind: 'unsubscribed', n: '1' },
  ]);
});
