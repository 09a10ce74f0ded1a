import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { summariseByErrors, summariseRecords } from './summarise-records.ts';

let sql: Sql;
useTestDatabase(
  (connected) => {
    sql = connected;
  },
  { poolMax: 1 },
);
let jobId: string;

beforeEach(async () => {
  await seedTenant(sql).catch(() => undefined);
  jobId = (await seedRecords(sql, { records: 6 })).job.id;
});

const become = (line: number, state: string, code: string | null = null, cause: string | null = null) => sql`
  UPDATE records SET state = ${state}, error_code = ${code}, error_cause = ${cause} WHERE job_id = ${jobId} AND line = ${line}`;

async function end(): Promise<void> {
  await become(1, 'SUCCESS');
  await become(2, 'SUCCESS');
  await become(3, 'REJECTED', 'PARSE_ERROR', 'RECORD_DUPLICATE');
  await become(4, 'FAILED', 'SEND_ERROR', 'SUPPRESSED');
  for (const line of [5, 6]) await become(line, 'AMBIGUOUS', 'SEND_ERROR', 'SEND_UNKNOWN');
  const summary = JSON.stringify(await summariseRecords(sql, jobId));
  await sql`
    UPDATE jobs SET state = 'SUCCEEDED', open_records = 0, record_summary = ${summary}::text::jsonb, finished_at = now() WHERE id = ${jobId}`;
}

async function expectSame(): Promise<void> {
  const { durationMs: _counted, ...counted } = await summariseRecords(sql, jobId);
  const { durationMs: _known, ...known } = await summariseByErrors(sql, jobId);
  expect(known).toEqual(counted);
}

test('the records of a job that goes on are counted', async () => {
  await become(1, 'SUCCESS');
  await become(2, 'PENDING', 'SEND_ERROR', 'MAIL_DEFERRED');
  await expectSame();
  expect((await summariseByErrors(sql, jobId)).byState).toEqual({ PENDING: 5, SUCCESS: 1 });
});

test('those of a job that has ended are known by its errors, also when one in doubt was settled since', async () => {
  await end();
  await expectSame();
  await become(5, 'SUCCESS');
  await expectSame();
  expect((await summariseByErrors(sql, jobId)).byState).toEqual({ SUCCESS: 3, REJECTED: 1, FAILED: 1, AMBIGUOUS: 1 });
  await sql`UPDATE jobs SET state = 'WAITING', record_summary = NULL, finished_at = NULL WHERE id = ${jobId}`;
  await become(6, 'PENDING');
  await expectSame();
});

test('what was counted at the end stays when the rows are deleted', async () => {
  await end();
  const before = await summariseByErrors(sql, jobId);
  await sql`DELETE FROM records WHERE job_id = ${jobId}`;
  expect(await summariseByErrors(sql, jobId)).toMatchObject({ byState: before.byState, byCode: before.byCode });
});
