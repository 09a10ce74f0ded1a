import { randomUUIDv7 } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import type { MailEvent } from '#shared/messages/mail-events.ts';
import { reopenRecords } from '#shared/records/reopen-records.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant, TEST_TENANT } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { tickCampaigns } from './campaign-clock.ts';
import { controlCampaign } from './campaign-store.ts';
import { settleSends } from './settle-sends.ts';
import { storeMailEvents } from './store-mail-events.ts';
import { findSuppressions } from './suppression-store.ts';

let sql: Sql;
useTestDatabase((connected) => {
  sql = connected;
});

let campaignId: string;
const RECIPIENTS = 4;
const AT = '2026-06-01T10:00:00Z';
const address = (line: number) => `r${line}@example.com`;

beforeEach(async () => {
  await emptyTables(
    sql,
    'mail_events',
    'suppressions',
    'senders',
    'campaigns',
    'campaign_stats',
    'notice_channels',
    'outbox',
  );
  await seedTenant(sql).catch(() => undefined);
  campaignId = await seedCampaign();
});

async function seedCampaign(): Promise<string> {
  const { job } = await seedRecords(sql, { records: RECIPIENTS });
  await sql`UPDATE records SET "values" = jsonb_build_object('email', 'r' || line || '@example.com') WHERE job_id = ${job.id}`;
  const definition = { guard: { after: 2, hardBounces: 0.5, complaints: 0.5 } };
  await sql`
    INSERT INTO senders (tenant_id, name, definition, definition_hash, version, created_by)
    VALUES (${TEST_TENANT}, 'news', ${JSON.stringify(definition)}::text::jsonb, 'x', 1, 'test') ON CONFLICT DO NOTHING`;
  await sql`
    INSERT INTO campaigns (id, tenant_id, name, route_id, route_version_id, template_id, template_version, sender, topic, is_marketing,
      file_ref, request_hash, created_by, begun_at)
    VALUES (${job.id}, ${TEST_TENANT}, 'June', ${randomUUIDv7()}, ${randomUUIDv7()}, 'spring', 1, 'news', 'newsletter', true,
      ${randomUUIDv7()}, 'x', 'test', now())`;
  return job.id;
}

function event(line: number, eventType: string, own: Partial<MailEvent['detail']> = {}, of = campaignId): MailEvent {
  return {
    type: 'mail event',
    time: AT,
    detail: {
      eventType,
      mail: {
        messageId: `m-${line}`,
        destination: [address(line)],
        tags: { ls_campaign: [of], ls_line: [String(line)] },
      },
      ...own,
    },
  };
}

const bounce = (line: number, bounceType: string, of?: string) =>
  event(line, 'Bounce', { bounce: { bounceType, bouncedRecipients: [{ status: '5.1.1' }] } }, of);
const click = (line: number, link: string, userAgent = 'Firefox', timestamp = AT) =>
  event(line, 'Click', { click: { link, userAgent, timestamp } });

const rowsOf = () => sql`
  SELECT line, kind, event_key, n FROM (
    SELECT line, kind, event_key, NULL::bigint AS n FROM mail_events WHERE campaign_id = ${campaignId}
    UNION ALL SELECT NULL, kind, domain, n FROM campaign_stats WHERE campaign_id = ${campaignId}) AS r ORDER BY 1, 2, 3, 4`;

test('events in any order, and any number of times, are the same rows', async () => {
  const events = () => [
    ...[1, 2, 3, 4].map((line) => event(line, 'Send')),
    ...[1, 2].map((line) => event(line, 'Delivery')),
    ...[event(3, 'DeliveryDelay'), bounce(3, 'Transient'), event(1, 'Open', { open: { timestamp: AT } })],
    ...[click(1, 'https://a.example/'), click(1, 'https://b.example/'), click(2, 'https://a.example/', 'SafeLinks')],
  ];
  await storeMailEvents(sql, events());
  const inOrder = await rowsOf();
  expect(inOrder.filter(({ kind }) => String(kind).includes('click'))).toMatchObject([
    { line: '1', kind: 'clicked' },
    { line: '1', kind: 'clicked' },
    { line: '2', kind: 'machine_clicked' },
    { kind: 'clicked', n: '2' },
    { kind: 'machine_clicked', n: '1' },
  ]);
  campaignId = await seedCampaign();
  const backwards = events().reverse();
  for (const each of backwards) await storeMailEvents(sql, [each, each]);
  const again = await storeMailEvents(sql, backwards);
  expect(new Set(again)).toEqual(new Set(['repeated']));
  expect(await rowsOf()).toEqual(inOrder);
});

test('clicks before delivery, and on three links within two seconds, are those of machines, in any order and repeated', async () => {
  const at = (seconds: number) => new Date(Date.parse(AT) + seconds * 1_000).toISOString();
  const clickAt = (line: number, link: string, seconds: number) =>
    click(line, `https://${link}.example/`, 'Firefox', at(seconds));
  const events = () => [
    event(1, 'Delivery'),
    ...[clickAt(1, 'a', 60), clickAt(1, 'b', 60.5), clickAt(1, 'c', 61.9), clickAt(1, 'd', 63.8), clickAt(1, 'a', 70)],
    // Two links, and one of them twice.
    ...[clickAt(2, 'a', 60), clickAt(2, 'b', 60.1), clickAt(2, 'a', 60.2)],
    ...[clickAt(3, 'a', -5), clickAt(3, 'a', 5), event(3, 'Delivery')],
    ...[clickAt(4, 'a', 1), clickAt(4, 'b', 2.1), clickAt(4, 'c', 3.2)],
  ];
  const clicks = async () => (await rowsOf()).filter(({ kind }) => String(kind).endsWith('clicked'));
  await storeMailEvents(sql, events());
  const together = await clicks();
  const count = (line: string, kind: string) => together.filter((row) => row.line === line && row.kind === kind).length;
  expect([1, 2, 3, 4].map((line) => [count(`${line}`, 'clicked'), count(`${line}`, 'machine_clicked')])).toEqual([
    [2, 3],
    [3, 0],
    [1, 1],
    [3, 0],
  ]);
  expect(together.filter(({ line }) => line === null).map(({ kind, n }) => [kind, n])).toEqual([
    ['clicked', '0'],
    ['clicked', '9'],
    ['machine_clicked', '1'],
    ['machine_clicked', '3'],
  ]);
  for (const order of [events, () => events().reverse()]) {
    campaignId = await seedCampaign();
    for (const each of order()) await storeMailEvents(sql, [each]);
    expect(await clicks()).toEqual(together);
    expect(new Set(await storeMailEvents(sql, order()))).toEqual(new Set(['repeated']));
    expect(await clicks()).toEqual(together);
    campaignId = await seedCampaign();
    await Promise.all(order().map((each) => storeMailEvents(sql, [each])));
    expect(await clicks()).toEqual(together);
  }
});

test('events without our tags, of another campaign, another line or another address count for nothing', async () => {
  const foreign = [
    {
      ...event(1, 'Delivery'),
      detail: { ...event(1, 'Delivery').detail, mail: { messageId: 'x', destination: [], tags: {} } },
    },
    event(1, 'Delivery', {}, randomUUIDv7()),
    event(99, 'Delivery'),
    {
      ...bounce(1, 'Permanent'),
      detail: {
        ...bounce(1, 'Permanent').detail,
        mail: { ...event(2, 'Send').detail.mail, tags: event(1, 'Send').detail.mail.tags },
      },
    },
    event(1, 'Something new'),
  ];
  expect(await storeMailEvents(sql, foreign)).toEqual(foreign.map(() => 'unknown'));
  expect(await rowsOf()).toEqual([]);
});

test.each([
  '0000-01-01T00:00:00Z',
  '+275760-09-13T00:00:00.000Z',
  '9999-12-31T23:59:59Z',
  '1970-01-01T00:00:00Z',
  'soon',
])('the time %s of one event keeps no other from being stored, and counts as the time of its arrival', async (odd) => {
  const events = [
    ...[event(1, 'Send'), { ...event(2, 'Send'), time: odd }],
    event(3, 'Open', { open: { timestamp: odd } }),
  ];
  expect(await storeMailEvents(sql, events)).toEqual(['new', 'new', 'new']);
  expect(await storeMailEvents(sql, events)).toEqual(['repeated', 'repeated', 'repeated']);
  const [odds] = await sql<{ n: number }[]>`
      SELECT count(*)::int AS n FROM mail_events
      WHERE campaign_id = ${campaignId} AND line IN (2, 3) AND (line = 3 AND at = ${AT}::timestamptz OR at > now() - interval '1 minute')`;
  expect(odds?.n).toBe(2);
});

test('a hard bounce suppresses for half a year, a complaint for good, a soft bounce in the third campaign for two weeks', async () => {
  await storeMailEvents(sql, [
    bounce(1, 'Permanent'),
    event(2, 'Complaint', { complaint: {} }),
    bounce(4, 'Transient'),
  ]);
  const suppressionsOf = async (line: number) =>
    (await findSuppressions(sql, { tenantId: TEST_TENANT, address: address(line) })).map(({ reason, expiresAt }) => [
      reason,
      expiresAt && Math.round((expiresAt.getTime() - Date.now()) / 86_400_000),
    ]);
  expect(await suppressionsOf(1)).toEqual([['hard-bounce', 180]]);
  expect(await suppressionsOf(2)).toEqual([['complaint', null]]);
  expect(await suppressionsOf(4)).toEqual([]);
  for (let n = 0; n < 2; n += 1) await storeMailEvents(sql, [bounce(4, 'Transient', await seedCampaign())]);
  expect(await suppressionsOf(4)).toEqual([['soft-bounces', 14]]);
  const [outbox] =
    await sql`SELECT count(*)::int FROM outbox WHERE body ->> 'type' IN ('mail.bounced', 'mail.complained')`;
  expect(outbox?.count).toBe(2);
});

test('soft bounces of three campaigns suppress, also in one batch of events or in three at the same moment', async () => {
  const reasonsOf = async (line: number) =>
    (await findSuppressions(sql, { tenantId: TEST_TENANT, address: address(line) })).map(({ reason }) => reason);
  const [second, third] = [await seedCampaign(), await seedCampaign()];
  const bounces = (line: number) => [campaignId, second, third].map((of) => bounce(line, 'Transient', of));
  await storeMailEvents(sql, bounces(1));
  expect(await reasonsOf(1)).toEqual(['soft-bounces']);
  await Promise.all(bounces(2).map((one) => storeMailEvents(sql, [one])));
  expect(await reasonsOf(2)).toEqual(['soft-bounces']);
});

test('past the sender’s limit of bounces a campaign is held', async () => {
  await storeMailEvents(sql, [event(1, 'Send'), event(2, 'Send'), bounce(1, 'Permanent')]);
  expect([...(await sql`SELECT word, held_reason FROM campaigns WHERE id = ${campaignId}`)]).toEqual([
    { word: 'HELD', held_reason: 'REPUTATION_GUARD' },
  ]);
});

test('a mail in doubt that is reported on was sent, one that is not stays in doubt', async () => {
  await sql`UPDATE records SET state = 'AMBIGUOUS', error_code = 'SEND_ERROR', error_cause = 'SEND_UNKNOWN' WHERE job_id = ${campaignId}`;
  await storeMailEvents(sql, [event(2, 'Send')]);
  await settleSends(sql, 100);
  const rows =
    await sql`SELECT line::int AS line, reference FROM records WHERE job_id = ${campaignId} AND state = 'SUCCESS'`;
  expect([...rows]).toEqual([{ line: 2, reference: 'm-2' }]);
});

test('a mail of which nothing is heard is sent once more where its sender says so, and once only', async () => {
  const doubt = async () => {
    await sql`
      UPDATE records SET state = 'AMBIGUOUS', error_code = 'SEND_ERROR', error_cause = 'SEND_UNKNOWN', chunk_id = NULL,
        next_attempt_at = NULL, updated_at = now() - interval '20 minutes' WHERE job_id = ${campaignId} AND line IN (2, 3)`;
    await tickCampaigns(sql, { actor: 'test' });
    return await sql`
      SELECT line::int, state, key_generation AS "keyGeneration" FROM records WHERE job_id = ${campaignId} AND line IN (2, 3) ORDER BY line`;
  };
  const inDoubt = (line: number, keyGeneration = 0) => ({ line, state: 'AMBIGUOUS', keyGeneration });
  expect(await doubt()).toEqual([inDoubt(2), inDoubt(3)]);
  await sql`UPDATE senders SET definition = definition || '{"onUnknown": "resend"}'`;
  // Nothing is heard of any mail: the reports may be late.
  expect(await doubt()).toEqual([inDoubt(2), inDoubt(3)]);
  await storeMailEvents(sql, [event(1, 'Send'), event(3, 'Send')]);
  expect(await doubt()).toEqual([
    { line: 2, state: 'PENDING', keyGeneration: 1 },
    { line: 3, state: 'SUCCESS', keyGeneration: 0 },
  ]);
  await sql`UPDATE records SET state = 'SUCCESS' WHERE job_id = ${campaignId} AND line = 3`;
  expect((await doubt())[0]).toEqual(inDoubt(2, 1));
  // By a process that found it before it was sent again, and stood still since.
  const late = {
    jobId: campaignId,
    lines: [2],
    states: ['AMBIGUOUS'] as const,
    asNew: true,
    actor: 'test',
    reason: 'x',
  };
  expect(await reopenRecords(sql, { ...late, keyGeneration: 0 })).toBe(0);
  expect(await reopenRecords(sql, late)).toBe(1);
});

test('channels that ask hear of the stages of a campaign, once each', async () => {
  const eventTypes = async () => {
    await tickCampaigns(sql, { actor: 'test' });
    await tickCampaigns(sql, { actor: 'test' });
    const rows = await sql<{ type: string }[]>`
      SELECT body ->> 'type' AS type FROM outbox WHERE topic = 'channels' AND body -> 'data' ->> 'campaignId' = ${campaignId} ORDER BY event_id`;
    return rows.map(({ type }) => type);
  };
  expect(await eventTypes()).toEqual([]);
  await sql`
    INSERT INTO notice_channels (tenant_id, name, route, digest_ms, definition, notices)
    VALUES (${TEST_TENANT}, 'desk', '', 0, '{}', '{campaign-sent,campaign-held}')`;
  await sql`UPDATE jobs SET state = 'SUCCEEDED', finished_at = now() WHERE id = ${campaignId}`;
  expect(await eventTypes()).toEqual(['campaign.sent']);
  await controlCampaign(sql, {
    id: campaignId,
    control: 'HELD',
    from: ['GO'],
    reason: 'REPUTATION_GUARD',
    actor: 'test',
  });
  expect(await eventTypes()).toEqual(['campaign.sent', 'campaign.changed']);
});
