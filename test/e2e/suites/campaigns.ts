/** A campaign from template to report, by plain HTTP: the five endpoints alone, on a fleet. */
import { beforeAll, expect, test } from 'vitest';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';

const TENANT = 'globex';
export const SENDER = `
kind: sender
tenant: ${TENANT}
name: news
from: Globex Bank <news@mail.globex.example>
transport: ses
limits: { ratePerSecond: 500, concurrency: 8 }
topics:
  - { name: newsletter, class: marketing }
---
kind: sender
tenant: ${TENANT}
name: many
from: Globex Bank <news@mail.globex.example>
transport: ses
batch: 20
limits: { ratePerSecond: 2000, concurrency: 2 }
topics:
  - { name: billing, class: transactional }
`;
const TEMPLATE = `<html><title>Hello {{ first_name }}</title><body><p>Your plan: {{ plan }}</p>
<a href="{{ unsubscribe_url }}">Unsubscribe</a></body></html>`;
/** Ten rows: one duplicate, one invalid. */
const ROWS = [
  'E-Mail,first_name',
  'ada@example.com,Ada',
  'bob@example.com,Bob',
  'ADA@Example.com,Ada again',
  'not an address,Nobody',
  'bounce@example.com,Bounce',
  'lost-reply@example.com,Lost',
  'throttled@example.com,Late',
  'eve+news@example.com,Eve',
  'complaint@example.com,Carl',
  'grace@bücher.example,"<b>Grace</b>"',
].join('\n');

interface Report {
  readonly status: string;
  readonly messages: { readonly sent: number; readonly pending: number };
  readonly events: Readonly<Record<string, number>>;
}

interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function campaigns(running: () => TestFleet): void {
  let fleet: TestFleet;
  beforeAll(() => {
    fleet = running();
  });

  async function upload(url: unknown, body: string): Promise<void> {
    const { url: to, method, headers } = url as { url: string; method: string; headers: Record<string, string> };
    const reply = await fetch(to, { method, headers, body });
    expect([reply.status, await reply.text()]).toEqual([200, '']);
  }

  async function ask(path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST') {
    return await fleet.api(path, { tenant: TENANT, method, ...(body !== undefined && { body }) });
  }

  async function mailsOf(campaign: string): Promise<Mail[]> {
    const reply = await fetch(`${fleet.stack.endpoints.ses}/_ledger?campaign=${campaign}`);
    return (await reply.json()) as Mail[];
  }

  async function statusWhen(id: string, look: (body: Report) => boolean) {
    return await fleet.waitUntil(
      'the campaign',
      async () => {
        const { body } = await ask(`/api/v1/campaigns/${id}/status`);
        return look(body as unknown as Report) && body;
      },
      60_000,
    );
  }

  test('ten rows, one a duplicate and one invalid, are eight mails, each once, and each is accounted for', async () => {
    const template = await ask('/api/v1/templates/presigned-url', {
      name: 'spring',
      format: 'html',
      topic: 'newsletter',
    });
    expect(template).toMatchObject({
      status: 201,
      body: { template_id: 'spring', version: 1, status: 'AWAITING_UPLOAD' },
    });
    await upload(template.body.upload, TEMPLATE);
    expect((await ask('/api/v1/templates/spring')).body).toMatchObject({
      status: 'READY',
      variables: ['first_name', 'plan'],
    });
    const file = await ask('/api/v1/files/presigned-url', { file_name: 'june.csv', purpose: 'campaign' });
    expect(file.status).toBe(201);

    const wish = {
      ...{ template_id: 'spring', file_id: file.body.file_id, sender: 'news', name: 'June' },
      ...{ columns: { email: 'E-Mail' }, defaults: { plan: 'free' } },
    };
    const campaign = await ask('/api/v1/campaigns', wish);
    expect(campaign).toMatchObject({ status: 202, body: { status: 'AWAITING_FILE' } });
    await upload(file.body.upload, ROWS);
    const id = String(campaign.body.transaction_id);

    // The mail whose answer was lost is in doubt until the service speaks of it.
    const report = await statusWhen(id, ({ status, messages }) => status === 'SENT' && messages.sent === 8);
    expect(report).toMatchObject({
      recipients: { rows: 10, valid: 8, rejected: 1, duplicates: 1, suppressed: 0 },
      messages: { pending: 0, sent: 8, failed: 0, ambiguous: 0 },
      error: null,
    });
    const mails = await mailsOf(id);
    expect(mails.map(({ to }) => to).sort()).toEqual([
      ...['ada@example.com', 'bob@example.com', 'bounce@example.com', 'complaint@example.com', 'eve+news@example.com'],
      ...['grace@xn--bcher-kva.example', 'lost-reply@example.com', 'throttled@example.com'],
    ]);
    const events = { accepted: 8, bounced_hard: 1, complained: 1, delivered: 7, opened: 0 };
    await statusWhen(
      id,
      ({ events: counted }) =>
        counted.accepted === 8 && counted.bounced_hard === 1 && counted.complained === 1 && counted.delivered === 7,
    );
    expect((await ask(`/api/v1/campaigns/${id}/status`)).body).toMatchObject({ events, results: { what: 'results' } });

    // Its route is the campaign's own: nobody reads it among those that were applied.
    const routes = (await ask('/api/v1/routes?limit=200')).body.routes as readonly { readonly name: string }[];
    expect(routes.map(({ name }) => name).filter((name) => name.startsWith('campaign-'))).toEqual([]);

    // Of each row, whatever became of it.
    const { file_id, what, route } = (await ask(`/api/v1/campaigns/${id}/status`)).body.results as Record<
      string,
      string
    >;
    const download = await ask('/api/v1/downloads', { file_id, what, route });
    const results = await (await fetch(String(download.body.url))).text();
    expect(results.split('\n')).toHaveLength(12);
    expect(results).toMatch(/^"2","ada@example.com","SUCCESS","","","","local-/m);
    expect(results).toMatch(/^"5","","REJECTED","PARSE_ERROR","EMAIL_SYNTAX",/m);

    // Of each recipient, and added up.
    const rejected = await ask(`/api/v1/campaigns/${id}/recipients?state=rejected`);
    expect(rejected.body.recipients).toMatchObject([
      { line: 4, state: 'REJECTED', code: 'RECORD_DUPLICATE', address: null },
      { line: 5, state: 'REJECTED', code: 'EMAIL_SYNTAX' },
    ]);
    const bounced = await ask(`/api/v1/campaigns/${id}/recipients?address=BOUNCE@example.com`);
    expect(bounced.body.recipients).toMatchObject([
      { line: 6, state: 'SUCCESS', events: [{ kind: 'accepted' }, { kind: 'bounced_hard', code: '5.1.1' }] },
    ]);
    expect((await ask(`/api/v1/campaigns/${id}/analytics?by=code`)).body).toMatchObject({
      totals: { delivered: 7 },
      rates: { bounced_hard: 0.125, delivered: 0.875 },
      groups: [{ name: '5.1.1', counts: { bounced_hard: 1 } }],
    });

    // Whoever bounced, complained or unsubscribed is not in the next campaign.
    const link = mails.find(({ to }) => to === 'bob@example.com')?.headers['List-Unsubscribe']?.slice(1, -1) ?? '';
    expect((await fetch(link)).status).toBe(200);
    expect((await ask('/api/v1/suppressions/bob@example.com')).body.suppressions).toEqual([]);
    for (const form of ['List-Unsubscribe=One-Click', 'List-Unsubscribe=One-Click']) {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      expect((await fetch(link, { method: 'POST', headers, body: form })).status).toBe(200);
    }
    expect((await fetch(`${link.slice(0, -4)}AAAA`, { method: 'POST' })).status).toBe(200);
    const stillOut = async () => (await ask('/api/v1/suppressions/bob@example.com')).body.suppressions;
    expect(await stillOut()).toMatchObject([{ topic: 'newsletter', reason: 'unsubscribed' }]);
    const press = (form: string) => fetch(link, { method: 'POST', body: new URLSearchParams(form) });
    expect(await (await press('undo=1')).text()).toContain('<button>Unsubscribe</button>');
    expect(await stillOut()).toEqual([]);
    // One click is never an undo, whatever comes with it.
    expect(await (await press('List-Unsubscribe=One-Click&undo=1')).text()).toContain('Subscribe again');
    expect(await stillOut()).toMatchObject([{ topic: 'newsletter', reason: 'unsubscribed' }]);
    const next = await ask('/api/v1/campaigns', wish);
    const second = await statusWhen(String(next.body.transaction_id), ({ status }) => status === 'SENT');
    expect(second).toMatchObject({
      recipients: { suppressed: 3 },
      messages: { failed: 0, ambiguous: expect.anything() },
    });
    expect((await mailsOf(String(next.body.transaction_id))).length).toBe(5);

    // What was sent to one address, by all campaigns.
    const first = { campaign: 'June', topic: 'newsletter', line: 3, created_at: expect.any(String) };
    const sent = (await ask('/api/v1/mails?address=BOB@example.com')).body;
    expect(sent).toMatchObject({
      mails: [
        { ...first, transaction_id: next.body.transaction_id, state: 'SUPPRESSED', message_id: null, events: [] },
        { ...first, transaction_id: id, state: 'SUCCESS', events: [{ kind: 'accepted' }, { kind: 'delivered' }] },
      ],
      next_cursor: null,
    });
    const { next_cursor } = (await ask('/api/v1/mails?address=bob@example.com&limit=1')).body;
    expect((await ask(`/api/v1/mails?address=bob@example.com&cursor=${next_cursor}`)).body.mails).toMatchObject([
      { transaction_id: id },
    ]);
    expect((await ask('/api/v1/mails?address=nobody@example.com')).body.mails).toEqual([]);
  });

  test('many recipients are held for a person, shown, tested, and sent by each one’s clock, many by one request', async () => {
    const template = await ask('/api/v1/templates/presigned-url', { name: 'bill', format: 'json', topic: 'billing' });
    await upload(template.body.upload, JSON.stringify({ subject: 'Bill {{ n }}', html: '<p>Dear {{ n }},</p>' }));
    expect((await ask('/api/v1/templates/bill')).body).toMatchObject({ status: 'READY', variables: ['n'] });
    const file = await ask('/api/v1/files/presigned-url', { file_name: 'bills.csv' });
    // In Tokyo it is time; the last recipient has the schedule's zone, where it is 21 hours earlier.
    const rows = Array.from({ length: 60 }, (_each, n) => `r${n}@example.com,<${n}>,${n === 59 ? '' : 'Asia/Tokyo'}`);
    await upload(file.body.upload, ['email,n,time_zone', ...rows, 'odd@example.com,odd,Mars/Olympus'].join('\n'));
    const made = await ask('/api/v1/campaigns', {
      ...{ template_id: 'bill', file_id: file.body.file_id, sender: 'many', hold: 'over-50' },
      schedule: { recipient_zone: true, time_zone: 'Etc/GMT+12', at: localTime(-1) },
    });
    const id = String(made.body.transaction_id);
    const held = await statusWhen(id, ({ status }) => status === 'HELD');
    expect(held).toMatchObject({
      waiting_for: 'OVER_50',
      recipients: { rows: 61, valid: 60, rejected: 1 },
      expected_end_at: expect.any(String),
    });
    expect((await ask(`/api/v1/campaigns/${id}/preview`)).body.mails).toMatchObject([
      { line: 2, subject: 'Bill <0>', html: expect.stringContaining('Dear &lt;0&gt;') },
      {},
      {},
    ]);
    const tested = await ask(`/api/v1/campaigns/${id}/test`, { to: ['desk@example.com'], rows: 2 });
    expect(tested).toMatchObject({ status: 200, body: { sent: 2 } });
    expect(await mailsOf(id)).toEqual([]);

    await ask(`/api/v1/campaigns/${id}/resume`, {});
    await statusWhen(id, ({ messages }) => messages.sent === 59);
    expect((await ask(`/api/v1/campaigns/${id}/status`)).body).toMatchObject({
      status: 'SENDING',
      messages: { sent: 59, pending: 1 },
    });
    expect(new Set((await mailsOf(id)).map(({ to }) => to)).size).toBe(59);
    expect((await ask(`/api/v1/campaigns/${id}/cancel`, {})).body).toMatchObject({ status: 'CANCELLED' });
    await statusWhen(id, ({ messages }) => messages.pending === 0);
    expect((await mailsOf(id)).length).toBe(59);
  });
}

/** By the clock of Tokyo, some hours from now: its past is the future of clocks further west. */
function localTime(hours: number): string {
  const tokyo = new Date(Date.now() + (9 + hours) * 3_600_000);
  return tokyo.toISOString().slice(0, 19);
}
