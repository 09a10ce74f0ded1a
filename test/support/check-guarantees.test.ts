/** The checker itself: silent about a sound fleet, and it sees each kind of damage. */
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkGuarantees } from './check-guarantees.ts';
import { knownFiles, makeFiles, type TestFile } from './known-files.ts';
import { sendBodies } from './send-bodies.ts';
import { startTestFleet, type TestFleet } from './start-test-fleet.ts';

const TENANT = 'acme';
const ROUTES = `
kind: route
tenant: ${TENANT}
name: copies
match: { path: "**" }
steps: [{ deliver: {} }]
`;

let fleet: TestFleet;
let files: TestFile[];
beforeAll(async () => {
  fleet = await startTestFleet({ tenants: [TENANT], routes: ROUTES });
  files = makeFiles(4, 'in', 'file');
  for (const { path, body } of files) await fleet.put(`${TENANT}/${path}`, body);
  await fleet.untilAllEnded(files.length, 30_000);
}, 90_000);
afterAll(() => fleet?.stop(), 60_000);

const rulesBroken = async () =>
  (await checkGuarantees(fleet, { known: knownFiles(TENANT, files), queuesTimeoutMs: 3_000 })).map(({ rule }) => rule);

test('it says nothing about a sound fleet', async () => {
  expect(await rulesBroken()).toEqual([]);
});

test('it sees a delivery that is gone, one that was made twice, and other bytes than were sent', async () => {
  const [gone, twice] = await fleet.sql<{ jobId: string; bucket: string; key: string; versionId: string }[]>`
    SELECT job_id AS "jobId", output ->> 'bucket' AS bucket, output ->> 'key' AS key, output ->> 'versionId' AS "versionId"
    FROM job_steps ORDER BY job_id LIMIT 2`;
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

test('it sees rows that contradict each other, an unknown object in landing, and an ending nobody was told of', async () => {
  await fleet.put(`${TENANT}/in/left-behind.tmp`, 'nobody takes this');
  await fleet.sql`UPDATE files SET failed_jobs = 1 WHERE key LIKE '%0001.bin'`;
  await fleet.sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail)
    SELECT 'file.completed', tenant_id, id, 'test', '{}' FROM files WHERE key LIKE '%0002.bin'`;
  expect(await rulesBroken()).toEqual(
    expect.arrayContaining([
      'failed_jobs counts the failed and cancelled jobs of a file',
      'a file completes once for each generation of its jobs',
      'only quarantined files are left in landing',
      'every ending of a file was told to subscribers',
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
