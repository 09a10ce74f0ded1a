/** Receipts: signed, verified with what is published alone, one a step, in one chain for each tenant, whoever issues side by side. */
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { claimJobs } from '#shared/jobs/claim-jobs.ts';
import { receiptOptions } from '#shared/steps/receipt/options.ts';
import { receiptStep } from '#shared/steps/receipt/run.ts';
import { connectTestDatabase } from '#testkit/beds/job-runner.ts';
import { runStep, startStepBench } from '#testkit/beds/step-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { issueReceipt, type ReceiptOwner } from './issue-receipt.ts';
import { createReceiptKeys, makeReceiptKey } from './receipt-keys.ts';
import { verifyReceipt } from './verify-receipt.ts';

let database: TestDatabase;
let sql: Sql;
let secret: string;
const keys = createReceiptKeys({ read: async () => ({ text: secret, version: secret }) }, 'receipts/key');

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectTestDatabase(database.url);
  await seedTenant(sql);
});
afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});
beforeEach(async () => {
  secret = makeReceiptKey();
  await emptyTables(sql, 'files', 'receipts', 'audit_events', 'outbox');
});

const STATEMENT = {
  issuedAt: '2026-03-04T05:06:07Z',
  file: { id: 'f', path: 'a.csv', sizeBytes: 3, sha256: createHash('sha256').update('abc').digest('hex') },
  deliveries: [{ step: 'push', path: '/in/a.csv' }],
};

async function claimAll(count: number): Promise<ReceiptOwner[]> {
  const jobs = await seedJobs(sql, { count });
  const claimed = await claimJobs(sql, {
    ...{ jobIds: jobs.map(({ id }) => id), token: randomUUID(), worker: 'test/1', service: 'partner-worker' },
    ...{ queue: 'partner-steps', kinds: ['deliver'], leaseMs: 60_000 },
  });
  return claimed.map(({ id: jobId, epoch, tenantId, fileId }) => ({
    jobId,
    epoch,
    tenantId,
    fileId,
    stepSeq: 2,
    service: 'test',
  }));
}

test('twenty that are issued side by side are one chain without a gap, each verified by the published keys', async () => {
  const owners = await claimAll(20);
  await Promise.all(owners.map((owner) => issueReceipt(sql, keys, owner, STATEMENT)));
  const rows = await sql<
    { seq: number; jws: string; hash: string }[]
  >`SELECT seq::int AS seq, jws, hash FROM receipts ORDER BY seq`;
  expect(rows.map(({ seq }) => seq)).toEqual(owners.map((_owner, index) => index + 1));
  const published = (await keys.published()) as never;
  let previous: string | null = null;
  for (const { seq, jws, hash } of rows) {
    const verified = await verifyReceipt(jws, published);
    expect(verified).toMatchObject({ ok: true, hash, payload: { seq, previous, tenant: 'acme' } });
    previous = hash;
  }
});

test('a receipt goes to a channel that asks for them', async () => {
  const channel = {
    name: 'sender',
    on: ['receipt-issued'],
    webhook: { urlSecret: 'sender-url', signingSecret: 'sender-key' },
  };
  await sql`
    INSERT INTO notice_channels (tenant_id, route, name, notices, digest_ms, definition)
    VALUES ('acme', '', 'sender', '{receipt-issued}', 0, ${sql.json(channel)})`;
  const [owner] = await claimAll(1);
  if (owner === undefined) throw new Error('no job');
  const { jws } = await issueReceipt(sql, keys, owner, STATEMENT);
  const sent = await sql`SELECT body #>> '{data,receipt}' AS receipt FROM outbox WHERE topic = 'channels'`;
  expect(sent).toEqual([{ receipt: jws }]);
  await sql`DELETE FROM notice_channels`;
});

test('a step has one receipt, also when a worker that lost the job comes late', async () => {
  const [owner] = await claimAll(1);
  if (owner === undefined) throw new Error('no job');
  const first = await issueReceipt(sql, keys, owner, STATEMENT);
  expect(await issueReceipt(sql, keys, owner, { ...STATEMENT, issuedAt: 'later' })).toEqual(first);
  await sql`UPDATE jobs SET epoch = epoch + 1`;
  await expect(issueReceipt(sql, keys, { ...owner, stepSeq: 3 }, STATEMENT)).rejects.toMatchObject({
    code: 'LEASE_LOST',
  });
  expect(await sql`SELECT count(*)::int AS n FROM audit_events WHERE type = 'receipt.issued'`).toEqual([{ n: 1 }]);
});

test('what was altered, signed by another key or is no receipt does not verify', async () => {
  const jws = await keys.sign({ tenant: 'acme', seq: 1, previous: null, ...STATEMENT });
  const published = (await keys.published()) as never;
  const [header, , signature] = jws.split('.');
  const forged = Buffer.from(JSON.stringify({ tenant: 'acme', seq: 2, previous: null, ...STATEMENT })).toString(
    'base64url',
  );
  expect(await verifyReceipt(`${header}.${forged}.${signature}`, published)).toEqual({
    ok: false,
    reason: 'signature',
  });
  expect(await verifyReceipt('not a receipt', published)).toEqual({ ok: false, reason: 'form' });
  expect(await verifyReceipt(await keys.sign({ any: 'thing' }), published)).toEqual({ ok: false, reason: 'form' });
  secret = makeReceiptKey();
  expect(await verifyReceipt(jws, (await keys.published()) as never)).toEqual({ ok: false, reason: 'key' });
  expect(JSON.stringify(await keys.published())).not.toContain('"d"');
});

test('a key that was replaced verifies its receipts as long as it is in the set', async () => {
  const jws = await keys.sign({ tenant: 'acme', seq: 1, previous: null, ...STATEMENT });
  secret = JSON.stringify({ keys: [JSON.parse(makeReceiptKey()), JSON.parse(secret)] });
  expect(await verifyReceipt(jws, (await keys.published()) as never)).toMatchObject({ ok: true });
  secret = '{"kty":"RSA"}';
  await expect(keys.sign({})).rejects.toMatchObject({ code: 'SECRET_UNAVAILABLE' });
});

test('the step states the bytes that arrived and the deliveries before it, and gives the sender a file', async () => {
  const bench = await startStepBench();
  const object = await bench.land('in/a.csv', 'abc');
  const outputs = { push: { path: '/in/a.csv', sizeBytes: 3 } };
  const run = (issue?: object) =>
    runStep(bench, { step: receiptStep, kind: receiptOptions, object, outputs, ...issue });
  expect(await run()).toMatchObject({ type: 'retry', cause: 'RECEIPT_KEY_MISSING' });
  const [owner] = await claimAll(1);
  const outcome = await run({
    issueReceipt: (statement: object) => issueReceipt(sql, keys, owner as ReceiptOwner, statement),
  });
  expect(outcome).toMatchObject({ type: 'succeeded', output: { seq: 1, key: 'acme/receipts/in/a.csv.receipt.jws' } });
  const jws = await bench.read({ bucket: 'test-outbound', key: 'acme/receipts/in/a.csv.receipt.jws' });
  expect(await verifyReceipt(jws.toString(), (await keys.published()) as never)).toMatchObject({
    payload: {
      file: { path: 'in/a.csv', sizeBytes: 3, sha256: STATEMENT.file.sha256 },
      deliveries: [{ step: 'push', path: '/in/a.csv' }],
    },
  });
  await bench.stop();
});
