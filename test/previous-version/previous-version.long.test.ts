/**
 * What the previous version left in the middle of its work is worked off by this one: its rows under the newest migrations, its messages, its
 * objects. Every file ends as it did there.
 */
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '#shared/db/migrate.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import { startTestPartner } from '#testkit/beds/partner-simulator-bed.ts';
import { startWorkBed, type WorkBed } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';
import { loadRows, migrateTo, putObjects, readRecording, rename } from './load-version.ts';
import type { RecordedVersion } from './recorded-version.ts';

const SERVICES = ['ingestor', 'router', 'partner-worker', 'large-file-worker', 'retry-sweeper'] as const;
const RECORD_FILE = 'acme/records/open.csv';

let recorded: RecordedVersion;
let bed: WorkBed;
let partner: Awaited<ReturnType<typeof startTestPartner>>;
let counted: Readonly<Record<string, number>>;

beforeAll(async () => {
  recorded = await readRecording();
  partner = await startTestPartner();
  bed = await startWorkBed({
    createDatabase: async () => {
      const database = await createTestDatabase({ isEmpty: true });
      await migrateTo(database.url, recorded.migration);
      return database;
    },
  });
  const prefix = bed.env.LONGSHORE_PREFIX ?? '';
  const versions = await putObjects(recorded, bed.s3Url, prefix);
  const names = { prefix, partnerUrl: partner.simulator.url, versions };
  await loadRows(bed.sql, recorded, names);
  await migrate(bed.databaseUrl);
  counted = await countRows();
  await sendMessages(names);
  const env = {
    LONGSHORE_PARTNER_ADDRESSES: '127.0.0.0/8',
    LONGSHORE_SWEEP_GRACE_MS: '2000',
    LONGSHORE_SWEEP_BOUND_MS: '5000',
    LONGSHORE_RECONCILE_MS: '1000',
    LONGSHORE_RECONCILE_MIN_AGE_MS: '0',
  };
  const programs = SERVICES.map((service) => new URL(`../../services/${service}/main.ts`, import.meta.url));
  await Promise.all(programs.map((program) => bed.startWorker(program, env)));
});

afterAll(async () => {
  await bed?.stop();
  await partner?.stop();
});

async function countRows(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of Object.keys(recorded.tables)) {
    const [row] = await bed.sql.unsafe(`SELECT count(*)::int AS count FROM "${table}"`);
    counts[table] = row?.count;
  }
  return counts;
}

async function sendMessages(names: Parameters<typeof rename>[2]): Promise<void> {
  const sqs = createSqsClient({
    region: bed.env.AWS_REGION ?? '',
    endpoint: bed.env.AWS_ENDPOINT_URL_SQS ?? '',
    credentials: { accessKeyId: bed.env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: bed.env.AWS_SECRET_ACCESS_KEY ?? '' },
  });
  const queues = await createQueues({ client: sqs, prefix: names.prefix });
  for (const [index, { queue, body, groupId }] of recorded.messages.entries()) {
    const { url } = queues[queue as QueueId];
    await sqs.send(
      new SendMessageCommand({
        QueueUrl: url,
        MessageBody: rename(body, recorded, names),
        ...(groupId !== undefined && { MessageGroupId: groupId }),
        ...(url.endsWith('.fifo') && { MessageDeduplicationId: `recorded-${index}` }),
      }),
    );
  }
  sqs.destroy();
}

test('the recording has work in every stage', () => {
  const states = (table: string, column: string) =>
    new Set(recorded.tables[table]?.map((row) => (row as Record<string, unknown>)[column]));
  expect([...states('files', 'status')]).toEqual(
    expect.arrayContaining(['QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED']),
  );
  expect([...states('jobs', 'state')]).toEqual(expect.arrayContaining(['PENDING', 'WAITING', 'SUCCEEDED', 'FAILED']));
  expect([...states('records', 'state')]).toEqual(expect.arrayContaining(['PENDING', 'RUNNING', 'SUCCESS']));
  const queues = new Set(recorded.messages.map(({ queue }) => queue));
  expect([...queues]).toEqual(expect.arrayContaining(['landing', 'ingest', 'partner-steps']));
});

test('no migration loses a row', () => {
  for (const [table, rows] of Object.entries(recorded.tables)) expect(counted[table], table).toBe(rows.length);
});

test('every file ends as it did under its own version, and each record is called until it has its answer', async () => {
  const ends = async () => {
    const rows = await bed.sql<{ key: string; status: string }[]>`SELECT key, status FROM files ORDER BY key`;
    return Object.fromEntries(rows.map(({ key, status }) => [key, status]));
  };
  const wanted = JSON.stringify(recorded.ends);
  await waitUntil('every file has ended', async () => JSON.stringify(await ends()) === wanted, {
    timeoutMs: 100_000,
    explain: async () => JSON.stringify(await ends()),
  });
  const records = await bed.sql<{ state: string; count: number }[]>`
    SELECT r.state, count(*)::int FROM records r JOIN jobs j ON j.id = r.job_id JOIN files f ON f.id = j.file_id
    WHERE f.key = ${RECORD_FILE} GROUP BY r.state`;
  expect([...records]).toEqual([{ state: 'SUCCESS', count: 120 }]);
  expect(await findRowViolations(bed.sql, { isAtRest: false })).toEqual([]);
});
