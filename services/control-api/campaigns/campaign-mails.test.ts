/** What is shown of a campaign before it goes, to people who are not its recipients. */
import { randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CampaignMail } from '#shared/campaigns/campaign-mail.ts';
import { findSuppressions } from '#shared/campaigns/suppression-store.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';

const PUBLIC_URL = 'https://longshore.example.com';
const SENDER = {
  ...{ kind: 'sender', tenant: 'acme', name: 'news', from: 'Acme <news@acme.example>', transport: 'ses' },
  topics: [{ name: 'newsletter', class: 'marketing' }],
};
const sent: CampaignMail[] = [];
let api: TestApi;
let id: string;

beforeAll(async () => {
  api = await startTestApi({
    secrets: { read: async () => ({ text: 'a key of links, long enough', version: '1' }) },
    ...{ linkSecret: 'links', publicUrl: PUBLIC_URL },
    transports: {
      send: async (mail) => {
        sent.push(mail);
        return { type: 'sent', messageId: `m-${sent.length}` };
      },
      accountName: 'none',
      account: async () => ({ maxPerSecond: null, maxPerDay: null, sentLastDay: null }),
      close: () => undefined,
    },
  });
  const { sql } = api;
  await seedTenant(sql, { tenantId: 'acme' });
  const { job } = await seedRecords(sql, { tenantId: 'acme', records: 2 });
  id = job.id;
  await sql`UPDATE records SET "values" = jsonb_build_object('email', 'r' || line || '@example.com') WHERE job_id = ${id}`;
  await sql`
    INSERT INTO senders (tenant_id, name, definition, definition_hash, version, created_by)
    VALUES ('acme', 'news', ${JSON.stringify(SENDER)}::text::jsonb, 'x', 1, 'test')`;
  await sql`
    INSERT INTO templates (tenant_id, id, version, format, topic, status, key, subject, html, "text", created_by, expires_at)
    VALUES ('acme', 'spring', 1, 'json', 'newsletter', 'READY', 'k', 'June', '<a href="{{ unsubscribe_url }}">{{ email }}</a>', '', 'test', now())`;
  await sql`
    INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
      file_ref, request_hash, created_by, begun_at)
    VALUES (${id}, 'acme', 'June', ${randomUUIDv7()}, ${randomUUIDv7()}, 'spring', 1, 'news', 'newsletter', true, ${randomUUIDv7()}, 'x',
      'test', now())`;
});
afterAll(() => api.stop());

const linkIn = ({ html }: Pick<CampaignMail, 'html'>) =>
  /href="([^"]+)"/.exec(html)?.[1]?.slice(PUBLIC_URL.length) ?? '';
const suppressed = async (address: string) => await findSuppressions(api.sql, { tenantId: 'acme', address });

async function ask(method: 'GET' | 'POST', path: string, payload?: object) {
  const headers = { 'x-api-key': api.keys.acme };
  const reply = await api.app.inject({
    method,
    url: `/api/v1/campaigns/${id}/${path}`,
    headers,
    ...(payload && { payload }),
  });
  expect(reply.statusCode).toBe(200);
  return reply;
}

test('the link of a test is of the person who tests: the recipient who is shown stays subscribed', async () => {
  await ask('POST', 'test', { to: ['Desk@Example.com', 'other@example.com'], rows: 2 });
  expect(sent.map(({ to, subject, tags }) => [to, subject, tags])).toEqual(
    ['Desk@example.com', 'Desk@example.com', 'other@example.com', 'other@example.com'].map((to) => [
      to,
      '[TEST] June',
      {},
    ]),
  );
  const [first] = sent;
  if (first === undefined) throw new Error('a mail was expected');
  expect(first).toMatchObject({
    html: expect.stringContaining('r1@example.com'),
    headers: { 'List-Unsubscribe': `<${PUBLIC_URL}${linkIn(first)}>` },
  });
  const page = await api.app.inject({ method: 'GET', url: linkIn(first) });
  expect(page.body).toContain('newsletter');
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const oneClick = { method: 'POST', url: linkIn(first), headers, payload: 'List-Unsubscribe=One-Click' } as const;
  expect((await api.app.inject(oneClick)).body).toContain('no more mails');
  expect(await suppressed('r1@example.com')).toEqual([]);
  expect(await suppressed('other@example.com')).toEqual([]);
  expect(await suppressed('desk@example.com')).toMatchObject([{ topic: 'newsletter', reason: 'unsubscribed' }]);
  expect([...(await api.sql`SELECT kind FROM campaign_stats`)]).toEqual([]);
});

test('no two tests have the Message-ID of each other or of the campaign’s mails: servers would drop them', () => {
  const ids = sent.map(({ messageId }) => messageId);
  expect(new Set(ids).size).toBe(4);
  expect(ids.filter((each) => each.startsWith(id))).toEqual([]);
});

test('the links of a preview lead nowhere', async () => {
  const { mails } = (await ask('GET', 'preview')).json<{ mails: CampaignMail[] }>();
  const pages = [(await ask('GET', 'preview/1')).body, ...mails.map(({ html }) => html)];
  expect(pages).toHaveLength(3);
  for (const html of pages) {
    const reply = await api.app.inject({ method: 'POST', url: linkIn({ html }) });
    expect(reply.body).toContain('not valid');
  }
  for (const address of ['r1@example.com', 'r2@example.com']) expect(await suppressed(address)).toEqual([]);
});
