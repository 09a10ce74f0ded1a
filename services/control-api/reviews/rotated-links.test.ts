/** A new key of links ends neither the links in mails that were sent, nor those in notices. */
import { randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addressHash } from '#shared/campaigns/mail-address.ts';
import { findSuppressions } from '#shared/campaigns/suppression-store.ts';
import { writeUnsubscribeToken } from '#shared/campaigns/unsubscribe-token.ts';
import { writeReviewUrl } from '#shared/reviews/review-links.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedJobs, seedTenant, TEST_TENANT } from '#testkit/seeds/seed-jobs.ts';

const OLD_KEY = 'the old key of all links';
const NEW_KEY = 'the new key of all links';
const ROTATED = JSON.stringify({ current: NEW_KEY, previous: [OLD_KEY] });
const ENDED = JSON.stringify({ current: NEW_KEY });
const ADDRESS = 'ada@example.com';

let api: TestApi;
let text = OLD_KEY;

beforeAll(async () => {
  api = await startTestApi({ secrets: { read: async () => ({ text, version: text }) }, linkSecret: 'links' });
  await seedTenant(api.sql);
});
afterAll(() => api.stop());

test('an unsubscribe link of the previous key works until that key is removed, and nothing else does', async () => {
  const from = { tenantId: TEST_TENANT, topic: 'newsletter', isMarketing: true };
  const link = { campaignId: randomUUIDv7(), line: 2, addressHash: addressHash(ADDRESS), from };
  const post = async (key: string) =>
    (await api.app.inject({ method: 'POST', url: `/u/${writeUnsubscribeToken(link, key)}` })).body;
  const suppressed = () => findSuppressions(api.sql, { tenantId: TEST_TENANT, address: ADDRESS });

  for (const [now, key] of [
    [ENDED, OLD_KEY],
    [ROTATED, ROTATED],
    [ROTATED, ''],
    [JSON.stringify({ current: '', previous: [] }), ''],
  ] as const) {
    text = now;
    expect([now, key, await post(key)]).toEqual([now, key, expect.not.stringContaining('You get no more mails')]);
    expect(await suppressed()).toEqual([]);
  }
  for (const key of [OLD_KEY, NEW_KEY]) {
    text = ROTATED;
    expect(await post(key)).toContain('You get no more mails');
  }
  expect(await suppressed()).toMatchObject([{ topic: 'newsletter', reason: 'unsubscribed' }]);
});

test('a review link of the previous key opens until that key is removed', async () => {
  const [job] = await seedJobs(api.sql);
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() + interval '1 day' WHERE id = ${job!.id}`;
  const open = async (secret: string) => {
    const how = { publicUrl: 'https://longshore.example', secret, nowMs: Date.now() };
    const { search } = new URL(writeReviewUrl({ jobId: job!.id, channel: 'acme/desk' }, how));
    return (await api.app.inject({ url: `/review${search}` })).statusCode;
  };
  text = ROTATED;
  expect([await open(OLD_KEY), await open(NEW_KEY), await open('another key')]).toEqual([200, 200, 404]);
  text = ENDED;
  expect([await open(OLD_KEY), await open(NEW_KEY)]).toEqual([404, 200]);
});
