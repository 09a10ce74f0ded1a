/** The checker itself: silent about a sound fleet, and it sees each kind of damage. */
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { knownFiles, makeFiles, type TestFile } from '#testkit/seeds/known-files.ts';
import { definitions, recordsCsv, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { sendBodies } from '#testkit/seeds/send-bodies.ts';
import { checkGuarantees } from './check-guarantees.ts';

const TENANT = 'acme';
const ROUTES = `
kind: route
tenant: ${TENANT}
name: copies
match: { path: "in/*" }
steps: [{ deliver: {} }]
`;
const RECORDS = `${TENANT}/records/three.csv`;

let fleet: TestFleet;
let files: TestFile[];
beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: [TENANT],
    routes: ({ endpoints }) => {
      const partner = testPartner({ tenant: TENANT, name: 'desk', baseUrl: endpoints.partnerSimulator });
      return `${ROUTES}---\n${definitions(partner, testRoute({ tenant: TENANT, name: 'records', partner: 'desk' }))}`;
    },
  });
  files = makeFiles(4, 'in', 'file');
  for (const { path, body } of files) await fleet.put(`${TENANT}/${path}`, body);
  await fleet.put(RECORDS, recordsCsv([['r-1'], ['r-2', 'SIM:A:final'], ['r-3']]));
  await fleet.untilAllEnded(files.length + 1, 60_000);
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

const rulesBroken = async () =>
  (await checkGuarantees(fleet, { known: knownFiles(TENANT, files), queuesTimeoutMs: 3_000 })).map(({ rule }) => rule);

test('it says nothing about a sound fleet', async () => {
  expect(await rulesBroken()).toEqual([]);
});

test('it sees a delivery that is gone, one that was made twice, and other bytes than were sent', async () => {
  const [gone, twice] = await fleet.sql<{ jobId: string; bucket: string; key: string; versionId: string }[]>`
    SELECT job_id AS "jobId", output ->> 'bucket' AS bucket, output ->> 'key' AS key, output ->> 'versionId' AS "versionId"
    FROM job_steps WHERE kind = 'deliver' ORDER BY job_id LIMIT 2`;
  await fleet.s3.send(new DeleteObjectCommand({ Bucket: gone!.bucket, Key: gone!.key, VersionId: gone!.versionId }));
  await fleet.s3.send(
    new PutObjectCommand({
      Bucket: twice!.bucket,
      Key: twice!.key,
      Body: 'once more',
      Metadata: { 'longshore-job': twice!.jobId },
    }),
  );
  files[3] = { ...files[3]!, body: Buffer.from('not what was sent') };
  const broken = await rulesBroken();
  expect(broken).toEqual(
    expect.arrayContaining([
      'a delivery is at its destination',
      'a job delivered exactly once',
      'the archive holds the bytes that were sent',
    ]),
  );
  expect(broken).toHaveLength(3);
});

test('it sees a partner that was called out of turn or twice for one effect, and records that are reported otherwise than they are', async () => {
  const call = (path: string, body: object, headers: Record<string, string> = {}) =>
    fetch(new URL(path, fleet.partner.url), { method: 'POST', headers, body: JSON.stringify(body) });
  await call('/baec/coupon-verifications', { recordKey: 'out-of-turn' });
  for (const _ of [1, 2]) await call('/unkeyed-redemptions', { recordKey: 'twice' });
  for (const key of ['one', 'other'])
    await call('/coupon-redemptions', { recordKey: 'r-1' }, { 'idempotency-key': key });
  await fleet.sql`UPDATE records SET error_cause = 'HTTP_500' WHERE state = 'FAILED'`;
  await fleet.sql`UPDATE jobs SET record_summary = '{"byState": {"SUCCESS": 3}}' WHERE record_summary IS NOT NULL`;
  await fleet.sql`UPDATE records SET business_key = '["nobody"]' WHERE business_key = '["r-3"]'`;
  const violations = await checkGuarantees(fleet, {
    known: knownFiles(TENANT, files.slice(1, 3)),
    queuesTimeoutMs: 3_000,
  });
  const rows = new Map(violations.map((violation) => [violation.rule, violation.rows]));
  expect(rows.get('a partner does nothing twice, and no step before its turn')).toEqual([
    { fault: expect.stringContaining('coupon-verification of record out-of-turn without a success of assignments') },
    { fault: expect.stringContaining('of record twice had its effect a second time') },
  ]);
  expect(rows.get('a call of a record keeps its idempotency key')).toEqual([
    { api: 'coupon-redemption', record: 'r-1', keys: 2 },
  ]);
  expect(rows.get('a success of a record was the partner’s')).toEqual([{ key: 'nobody', successes: 3 }]);
  expect(rows.get('the results file says of each row what became of it')).toMatchObject([
    { row: { line: '3', cause: 'HTTP_500' }, said: { line: '3', cause: 'BUSINESS_REJECTION' } },
  ]);
  expect(rows.get('the counts of a job are those of its records')).toMatchObject([
    { summary: { SUCCESS: 3 }, counted: { SUCCESS: 2, FAILED: 1 } },
  ]);
});

test('it sees rows that contradict each other, an unknown object in landing, and an ending nobody was notified of', async () => {
  await fleet.put(`${TENANT}/in/left-behind.tmp`, 'nobody takes this');
  await fleet.sql`UPDATE files SET failed_jobs = 1 WHERE key LIKE '%0001.bin'`;
  await fleet.sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail)
    SELECT 'file.completed', tenant_id, id, 'test', '{}' FROM files WHERE key LIKE '%0002.bin'`;
  expect(await rulesBroken()).toEqual(
    expect.arrayContaining([
      'failed_jobs counts the failed and cancelled jobs of a file, of each route the newest run',
      'a file completes once for each generation of its jobs',
      'only quarantined files are left in landing',
      'every ending of a file was reported to subscribers',
    ]),
  );
});

test('it sees what stands in a queue', async () => {
  fleet.stack.processes.router!.kill('SIGSTOP');
  try {
    await sendBodies(fleet.sqs, fleet.queueUrls.ingest.main, ['standing']);
    expect(await rulesBroken()).toContain('every queue and DLQ is empty');
  } finally {
    fleet.stack.processes.router!.kill('SIGCONT');
  }
});
