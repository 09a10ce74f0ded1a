/** `npm start` as a newcomer meets it: the examples arrive, move and are delivered, record by record where they have records; after a kill the same home continues. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import type { Endpoints } from '#local/launcher/endpoints.ts';
import { claimPorts } from '#local/ports.ts';
import { askLogs } from '#testkit/checks/ask-logs.ts';
import { readLogs } from '#testkit/checks/read-logs.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { runLongshore } from '#testkit/servers/run-longshore.ts';
import { connectSftp } from '#testkit/servers/sftp-client.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';
import { LOG_QUERIES } from '../../deploy/evidence/log-queries.ts';

const MAIN = fileURLToPath(new URL('../../local/main.ts', import.meta.url));
const ACME_FILES = fileURLToPath(new URL('../../examples/acme/files', import.meta.url));
/** What `examples/README.md` says of its files; the two checksums stay next to their statements. */
const EXAMPLES = [
  ['acme/inbound/attachments/eicar-test-file.txt', 'QUARANTINED'],
  ['acme/inbound/catalogue/products.xml', 'COMPLETED'],
  ['acme/inbound/contracts/framework agreement.txt', 'PROCESSING'],
  ['acme/inbound/documents/delivery terms.txt', 'COMPLETED'],
  ['acme/inbound/orders/orders-from-the-old-shop.csv', 'FAILED'],
  ['acme/inbound/orders/orders-week-01.csv', 'COMPLETED'],
  ['acme/inbound/orders/orders-week-02.csv', 'COMPLETED'],
  ['acme/inbound/sealed/price-list.csv.pgp', 'COMPLETED'],
  ['acme/inbound/shifts/shifts-north.csv', 'COMPLETED'],
  ['acme/inbound/shifts/shifts-south.csv', 'COMPLETED'],
  ['acme/inbound/shifts/week-01.manifest', 'COMPANION'],
  ['acme/misc/note-to-self.txt', 'QUARANTINED'],
  ['fsa/FLPIDS-NATS/mo.moyr540.data', 'COMPLETED'],
  ['fsa/FSA-REPORTS/loans-by-county.csv', 'COMPLETED'],
  ['globex-bank/payments/payment-0001.xml', 'COMPLETED'],
  ['globex-bank/payments/payment-0002.xml', 'COMPLETED'],
  ['globex-bank/payments/payment-0003.xml', 'COMPLETED'],
  ['globex-bank/rfi/rfi-2026-01-31.dat', 'COMPLETED'],
  ['globex-bank/statements/statement-2026-01-31.csv.gz', 'COMPLETED'],
  ['globex-bank/statements/statement-2026-01-31.csv.gz.sha256', 'COMPANION'],
  ['globex-bank/statements/statement-2026-02-28.csv.gz', 'FAILED'],
  ['globex-bank/statements/statement-2026-02-28.csv.gz.sha256', 'COMPANION'],
];

/** Of the example campaign, under an id. */
const RECIPIENTS = 'globex-bank/campaign-recipients/';

/** Waits for a person, so that the terminal tells nothing of it yet. */
const HELD = 'framework agreement.txt';

/** And of its records. */
const RECORDS = {
  byState: { SUCCESS: 984, FAILED: 10, REJECTED: 6 },
  byCode: {
    'VALIDATION_ERROR BUSINESS_REJECTION': 3,
    'VALIDATION_ERROR HTTP_500': 1,
    'ASSIGNMENTS_ERROR BUSINESS_REJECTION': 2,
    'ASSIGNMENTS_ERROR HTTP_429': 1,
    'VERIFICATION_ERROR BUSINESS_REJECTION': 2,
    'VERIFICATION_ERROR PARTNER_REPLY_INVALID': 1,
    'PARSE_ERROR COLUMN_DATE': 1,
    'PARSE_ERROR COLUMN_PATTERN': 1,
    'PARSE_ERROR COLUMN_RANGE': 1,
    'PARSE_ERROR COLUMN_REQUIRED': 1,
    'PARSE_ERROR FIXED_ZONED': 1,
    'PARSE_ERROR RECORD_DUPLICATE': 1,
  },
};

const EXAMPLE_REPORTS = fileURLToPath(new URL('../../examples/fsa/partner-files/reports', import.meta.url));

/** The launcher itself gives each process two minutes. */
const READY_TIMEOUT_MS = 240_000;

let home: string;
let portBase: number;
let launcher: TestProcess | undefined;
let printed: readonly string[];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'longshore-first-start-'));
  portBase = (await claimPorts()).base;
});
afterAll(async () => {
  await launcher?.end('SIGTERM');
  await rm(home, { recursive: true, force: true });
});

/** Resolves when it prints that it is ready. */
async function start(): Promise<Endpoints> {
  launcher = startProcess(['--disable-warning=ExperimentalWarning', MAIN], {
    env: { PATH: process.env.PATH, LONGSHORE_HOME: home, LONGSHORE_PORT_BASE: String(portBase) },
  });
  printed = launcher.lines;
  await launcher.untilLine(/^Longshore is ready$/, READY_TIMEOUT_MS);
  return JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
}

async function untilFiles(endpoints: Endpoints, expected: readonly (readonly string[])[]): Promise<void> {
  const sql = connectLauncher(endpoints.postgres);
  let seen: unknown;
  try {
    await waitUntil(
      'every file is where it should be',
      async () => {
        const rows = await sql<
          { key: string; status: string }[]
        >`SELECT key, status FROM files WHERE NOT starts_with(key, ${RECIPIENTS}) ORDER BY key COLLATE "C"`;
        seen = rows.map(({ key, status }) => [key, status]);
        return JSON.stringify(seen) === JSON.stringify(expected);
      },
      { timeoutMs: 240_000, explain: async () => JSON.stringify(seen) },
    );
  } finally {
    await sql.end({ timeout: 1 });
  }
}

test('the first start carries the examples through the front door, and tells of each in the terminal', async () => {
  const endpoints = await start();
  expect(Object.keys(endpoints.tenants)).toEqual(['acme', 'fsa', 'globex-bank']);
  await untilFiles(endpoints, EXAMPLES);
  const key = (await readFile(endpoints.operatorKeyFile, 'utf8')).trim();
  const reply = await fetch(`${endpoints.api}/status?file_id=orders-week-01.csv`, { headers: { 'x-api-key': key } });
  expect(await reply.json()).toMatchObject({ status: 'completed', customer_id: 'acme' });
  const names = EXAMPLES.map(([path]) => path!.split('/').at(-1)!).filter((name) => name !== HELD);
  const isPrinted = () => names.every((name) => printed.some((line) => line.includes(name)));
  await waitUntil('the terminal names every file', isPrinted, { timeoutMs: 60_000 });
}, 600_000);

test('the price list goes to two places at once, and its job ends when both have it', async () => {
  const endpoints = JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
  const sql = connectLauncher(endpoints.postgres);
  const jobs = await sql`
    SELECT j.branch, j.state, j.finished_at <= p.finished_at AS "isJoined" FROM jobs j JOIN jobs p ON p.id = j.parent_job_id ORDER BY j.branch`;
  await sql.end({ timeout: 1 });
  expect([...jobs]).toEqual([
    { branch: 'ledger', state: 'SUCCEEDED', isJoined: true },
    { branch: 'shop', state: 'SUCCEEDED', isJoined: true },
  ]);
});

test('the catalogue is converted and found by its words, shifts are one batch, a report is delivered to its owner', async () => {
  const endpoints = JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
  const sql = connectLauncher(endpoints.postgres);
  const outputs = await sql<{ kind: string; output: Record<string, unknown> }[]>`
    SELECT s.kind, s.output FROM job_steps s JOIN jobs j ON j.id = s.job_id JOIN routes r ON r.id = j.route_id
    WHERE r.name IN ('catalogue', 'reports-to-their-owner') ORDER BY r.name, s.seq`;
  const batches = await sql`SELECT state, closed_by AS by, files, succeeded_files AS succeeded FROM batches`;
  await sql.end({ timeout: 1 });
  expect(outputs.map(({ kind, output }) => [kind, output])).toMatchObject([
    ['convert', { recordsIn: 4, recordsOut: 3, recordsRejected: 1 }],
    ['index', {}],
    ['archive', { tier: 'standard-ia' }],
    ['deliver', { key: 'acme/catalogue/products.csv' }],
    ['confirm', {}],
    ['enrich', { owner: 'lending', region: 'midwest' }],
    ['deliver', { key: 'fsa/midwest/lending/loans-by-county.csv' }],
    ['confirm', {}],
  ]);
  expect([...batches]).toEqual([{ state: 'SUCCEEDED', by: 'manifest', files: 2, succeeded: 2 }]);
  const found = await runLongshore(home, ['search', 'mooring']);
  expect(found.out).toContain('products.xml');
});

test('the weekly orders have receipts in a chain, and whoever has the file and the keys verifies them', async () => {
  const endpoints = JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
  const at = (name: string): string => join(home, name);
  const keys = await fetch(`${endpoints.api}/.well-known/longshore-receipts.jwks`);
  await writeFile(at('keys.jwks'), await keys.text());
  const of = async (week: string): Promise<string> => {
    const { out } = await runLongshore(home, ['receipts', `orders-week-${week}.csv`]);
    await writeFile(at(`${week}.jws`), out);
    return out.trim();
  };
  const seqOf = (jws: string): number => JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()).seq;
  const seqs = new Map([
    [seqOf(await of('01')), '01'],
    [seqOf(await of('02')), '02'],
  ]);
  expect([...seqs.keys()].sort()).toEqual([1, 2]);
  const [first, second] = [seqs.get(1), seqs.get(2)];
  const verify = (week: string | undefined, ...more: string[]) =>
    runLongshore(home, ['receipts', 'verify', at(`${week}.jws`), '--jwks', at('keys.jwks'), ...more]);
  const sent = (week: string | undefined) => join(ACME_FILES, `inbound/orders/orders-week-${week}.csv`);
  expect(await verify(first, '--against', sent(first))).toMatchObject({ code: 0 });
  expect(await verify(second, '--against', sent(second), '--previous', at(`${first}.jws`))).toMatchObject({ code: 0 });
  expect(await verify(second, '--against', sent(first))).toMatchObject({ code: 1 });
});

test('of the two files that FSA is asked for one is fetched, and the other stays where it is', async () => {
  const endpoints = JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
  const key = (await readFile(endpoints.operatorKeyFile, 'utf8')).trim();
  const pullsOf = async (status: string) => {
    const reply = await fetch(`${endpoints.api}/api/v1/pulls?status=${status}`, { headers: { 'x-api-key': key } });
    return ((await reply.json()) as { pulls: object[] }).pulls;
  };
  expect(await pullsOf('ERROR')).toMatchObject([
    { file: { fileName: 'mo.moyr541.data' }, error: { cause: 'REMOTE_AUTH_FAILED' } },
  ]);
  expect(await pullsOf('COMPLETED')).toContainEqual(
    expect.objectContaining({ file: expect.objectContaining({ fileName: 'mo.moyr540.data' }) }),
  );
  const atPartner = join(home, 'data/partner-files/s_dart_cert/plas/in');
  expect(await readdir(atPartner)).toEqual(['mo.moyr541.data']);
});

test('the report of FSA is pushed to the bank, and its rows are in the warehouse once', async () => {
  expect((await readdir(join(home, 'data/partner-files/bank/in'))).filter((name) => !name.startsWith('.git'))).toEqual([
    'loans-by-county.csv',
    'loans-by-county.csv.done',
  ]);
  const endpoints = JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
  const url = new URL(endpoints.postgres);
  url.pathname = '/fsa_warehouse';
  const sql = connectLauncher(url.href);
  const counties = await sql<{ county: string }[]>`SELECT county FROM loans_by_county ORDER BY county`;
  await sql.end({ timeout: 1 });
  const sent = await readFile(join(EXAMPLE_REPORTS, 'loans-by-county.csv'), 'utf8');
  expect(counties.map(({ county }) => county)).toEqual(
    sent
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',')[0])
      .sort(),
  );
});

test('each record of the RFI file ended as the examples say, and the partner saw no step without the one before', async () => {
  const endpoints = JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
  const sql = connectLauncher(endpoints.postgres);
  const jobs = await sql`
      SELECT j.state, j.open_records, j.record_summary AS summary FROM jobs j JOIN files f ON f.id = j.file_id
      WHERE j.record_summary IS NOT NULL AND NOT starts_with(f.key, ${RECIPIENTS})`;
  await sql.end({ timeout: 1 });
  expect([...jobs]).toMatchObject([{ state: 'SUCCEEDED', open_records: 0, summary: RECORDS }]);
  const isPrinted = () => printed.includes('    1000 records: 984 SUCCESS, 10 FAILED, 6 REJECTED');
  await waitUntil('the terminal counts the records', isPrinted, { timeoutMs: 60_000 });

  const ledger = await (await fetch(`${endpoints.partnerSimulator}/_ledger/summary`)).json();
  // 994 rows were processed: what failed for good at one API was never shown to the next.
  expect(ledger).toMatchObject({
    accepted: { validation: 990, assignments: 987, 'coupon-verification': 984 },
    violations: [],
  });

  const partner = await connectSftp(endpoints.sftp, endpoints.tenants['globex-bank']!);
  const results = (await partner.get('/outbound/results/rfi/rfi-2026-01-31.dat')).toString().trimEnd().split('\n');
  const rejects = await partner.get('/outbound/rejects/rfi/rfi-2026-01-31.dat');
  partner.close();
  expect(results).toHaveLength(1 + 1_000);
  // Header and trailer around five records, as they were sent.
  expect(rejects.length).toBe((1 + 5 + 1) * 100);
});

test('the example campaign sends one mail to each of eight recipients, and the terminal says so', async () => {
  const isPrinted = () => printed.some((line) => /8 sent, .*1 duplicate, 1 rejected/.test(line));
  await waitUntil('the terminal counts the mails', isPrinted, { timeoutMs: 60_000 });
});

test('the contract waits, customer service is notified, and it continues when it is released from the notice in its chat', async () => {
  const endpoints = JSON.parse(await readFile(join(home, 'endpoints.json'), 'utf8')) as Endpoints;
  const sent = async () => {
    const metrics = await (await fetch(endpoints.metrics['retry-sweeper']!)).text();
    return Number(/^longshore_notices_total\{channel="sns",outcome="sent"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
  };
  // Held, and a failed file.
  await waitUntil('customer service is notified', async () => (await sent()) >= 2, { timeoutMs: 60_000 });
  let command: string | undefined;
  const isThere = async () => {
    const { out } = await runLongshore(home, ['simulate-chat', 'notices']);
    command = /^ +longshore simulate-chat slack "(release \S+) REASON"$/m.exec(out)?.[1];
    return out.includes(HELD) && command !== undefined;
  };
  await waitUntil('the notice is in the chat', isThere, { timeoutMs: 60_000 });
  const released = await runLongshore(home, ['simulate-chat', 'slack', `${command} read and signed`]);
  expect(released).toMatchObject({ code: 0, out: expect.stringMatching(/^Released: /) });
  const isPrinted = () => printed.some((line) => line.includes(HELD) && line.includes('delivered'));
  await waitUntil('the terminal shows the delivery', isPrinted, { timeoutMs: 60_000 });
}, 240_000);

test('the saved queries of the logs answer from these logs', async () => {
  const lines = (await readLogs(home)).split('\n');
  const queries = LOG_QUERIES.filter(({ group }) => group === 'services');
  expect(queries.length).toBeGreaterThan(3);
  const fileId = lines.find((line) => line.includes('"msg":"job handled"'))?.match(/"fileId":"([^"]+)"/)?.[1];
  const answers = await Promise.all(
    queries.map(async ({ name, query }) => ({
      name,
      rows: await askLogs(query.replace(/"PUT [^"]+"/, `"${fileId}"`), lines),
    })),
  );
  const found = answers.find(({ name }) => name === 'Errors by service and message');
  expect(answers.filter(({ rows, name }) => rows.length === 0 && name !== found?.name)).toEqual([]);
  const errors = lines.filter((line) => /"level":"(error|fatal)"/.test(line));
  expect(found?.rows.reduce((sum, { times }) => sum + Number(times), 0)).toBe(errors.length);
  // An example that fails is a partner's fault, and no error of a service; that the machine was busy is none either.
  expect(errors.filter((line) => !/DEPENDENCY_UNAVAILABLE|TimeoutError|CONNECT_TIMEOUT/.test(line))).toEqual([]);
  const ended = answers.find(({ name }) => name.startsWith('Jobs'))?.rows ?? [];
  expect(ended.map(({ tenant, step }) => `${tenant} ${step}`)).toContain('acme deliver');
});

test('killed with -9, the next start of the same home has everything as it was and carries on', async () => {
  launcher?.kill('SIGKILL');
  const endpoints = await start();
  const partner = await connectSftp(endpoints.sftp, endpoints.tenants.acme!);
  await partner.put('/inbound/documents/after the kill.txt', Buffer.from('still here'));
  partner.close();
  const released = EXAMPLES.map(([path, status]) => [path!, status === 'PROCESSING' ? 'COMPLETED' : status!]);
  const expected = [...released, ['acme/inbound/documents/after the kill.txt', 'COMPLETED']];
  await untilFiles(
    endpoints,
    expected.toSorted(([one], [other]) => Buffer.compare(Buffer.from(one!), Buffer.from(other!))),
  );
}, 600_000);

test('asked to stop, it ends everything, and has to kill nothing', async () => {
  expect(await launcher?.end('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(await readLogs(home)).not.toContain('did not stop within');
  expect(printed).toContain('Longshore has stopped');
});
