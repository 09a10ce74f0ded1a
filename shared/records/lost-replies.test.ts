/** Statements about records that were committed and whose replies never came. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { connectTestDatabase } from '#testkit/beds/job-runner.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';
import { startRecordBed } from '../../testkit/beds/record-bed.ts';

let bed: Awaited<ReturnType<typeof startRecordBed>>;
let proxy: TcpProxy;
let cutSql: Sql;
beforeAll(async () => {
  bed = await startRecordBed();
  proxy = await startTcpProxy(bed.databaseUrl);
  cutSql = connectTestDatabase(proxy.url);
});
afterAll(async () => {
  await cutSql.end({ timeout: 5 });
  await proxy.stop();
  await bed.stop();
});
beforeEach(() => bed.reset());
afterEach(() => bed.endRunners());

const lose = (move: string) => proxy.loseReply(`"move":"${move}"`);
const states = () =>
  bed.sql`SELECT state, step, max(tries) AS tries, count(*)::int FROM records GROUP BY state, step ORDER BY state`;

test('records walk on and end where no reply of their outcomes comes, even where they have one try', async () => {
  const { chunks } = await bed.seed({ records: 60, retry: { maxSweeps: 0 } });
  const lost = [lose('next-step'), lose('next-step'), lose('success')];
  await bed.startRunner({ sql: cutSql }).run(chunks);
  await Promise.all(lost);
  expect([...(await states())]).toEqual([{ state: 'SUCCESS', step: 2, tries: 1, count: 60 }]);
  expect(bed.partner.calls).toHaveLength(180);
  expect(await bed.sql`SELECT 1 FROM record_attempts`).toHaveLength(180);
  const chunkRows = await bed.sql`SELECT epoch FROM record_chunks`;
  expect(chunkRows).toHaveLength(0);
});

test.each([
  ['failed', 409, 'FAILED'],
  ['later', 422, 'FAILED'],
])('an outcome that leads to "%s" is stored once', async (move, status, state) => {
  const { chunks } = await bed.seed({ records: 1 });
  bed.partner.plays((_call, response) => response.writeHead(status).end('{"code":"no"}'));
  const lost = lose(move);
  await bed.startRunner({ sql: cutSql }).run(chunks);
  await lost;
  expect(await states()).toMatchObject([{ state, step: 0, tries: 1 }]);
  expect(await bed.sql`SELECT 1 FROM record_attempts`).toHaveLength(1);
});

test('the next call’s partner cannot be looked up in an outage: it is looked up again, and no try is spent', async () => {
  const { chunks } = await bed.seed({ records: 3, calls: ['validate', 'assign'], retry: { maxSweeps: 0 } });
  await bed.applyPartner({ name: 'second' });
  await bed.sql`UPDATE route_versions SET definition = jsonb_set(definition, '{steps,2,call,partner}', '"second"')`;
  const lost = proxy.loseReply('second');
  await bed.startRunner({ sql: cutSql }).run(chunks);
  await lost;
  expect([...(await states())]).toEqual([{ state: 'SUCCESS', step: 1, tries: 1, count: 3 }]);
});
