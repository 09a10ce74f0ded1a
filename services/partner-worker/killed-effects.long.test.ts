/**
 * Files that are loaded into a database, pushed to a partner's server and given a receipt, by workers that are killed all the time: no row
 * twice and none missing, no partial final name, one rename and one receipt for each file.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DefinitionKind } from '#shared/db/schema.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { databaseDocumentSchema } from '#shared/definitions/database-schema.ts';
import { routeDocumentSchema } from '#shared/definitions/routes/route-schema.ts';
import { createReceiptKeys, makeReceiptKey } from '#shared/receipts/receipt-keys.ts';
import { verifyReceipt } from '#shared/receipts/verify-receipt.ts';
import { type LoadBed, startLoadBed } from '#testkit/beds/load-bed.ts';
import { startWorkBed, type WorkBed } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { PARTNER_SERVERS, type PartnerFileServer } from '#testkit/servers/partner-file-servers.ts';

const MAIN = new URL('main.ts', import.meta.url);
const KILLS = repeatTimes(25);
const FILES = 16;
const ROWS = 2_500;

let bed: WorkBed;
let target: LoadBed;
let server: PartnerFileServer;
let secrets: string;
const receiptKey = makeReceiptKey();

beforeAll(async () => {
  const [sftp] = PARTNER_SERVERS;
  if (sftp === undefined) throw new Error('there is no server');
  [bed, target, server] = await Promise.all([startWorkBed(), startLoadBed(), sftp.start()]);
  secrets = await mkdtemp(join(tmpdir(), 'longshore-secrets-'));
  await mkdir(join(secrets, 'acme'));
  await secret('acme/warehouse-password', target.password);
  for (const [name, text] of Object.entries(server.secrets)) await secret(`acme/${name}`, text);
  await secret('receipt-key', receiptKey);
  await seedRoutes(bed.sql);
  const database = {
    kind: 'database',
    tenant: 'acme',
    name: 'warehouse',
    ...target.place,
    password: 'warehouse-password',
  };
  await apply(
    'database',
    'warehouse',
    databaseDocumentSchema.parse({ ...database, tls: { mode: 'off' }, tables: ['statements'] }),
  );
  await apply('remote', 'partner', server.remote);
  await apply(
    'route',
    'route-0',
    routeDocumentSchema.parse({
      ...{
        kind: 'route',
        tenant: 'acme',
        name: 'route-0',
        match: { path: '**' },
        retry: { maxAttempts: 100, firstDelay: '100ms' },
      },
      records: {
        format: 'csv',
        columns: [{ name: 'id', type: 'integer', required: true }, { name: 'name' }, { name: 'amount' }],
      },
      steps: [
        { load: { database: 'warehouse', table: 'statements' } },
        { push: { remote: 'partner', path: `${server.directory}{{ name }}` } },
        { confirm: {} },
        { receipt: {} },
      ],
    }),
  );
});
afterAll(async () => {
  await bed?.stop();
  await Promise.all([target?.stop(), server?.stop(), rm(secrets, { recursive: true, force: true })]);
});

const secret = (name: string, text: string) => writeFile(join(secrets, name), text, { mode: 0o600 });

const apply = (kind: DefinitionKind | 'route', name: string, definition: unknown) =>
  applyDefinition(
    bed.sql,
    kind,
    { tenantId: 'acme', name, definition, definitionHash: JSON.stringify(definition) },
    'test',
  );

const bodyOf = (index: number) =>
  Buffer.from(
    `id,name,amount\n${Array.from({ length: ROWS }, (_, row) => `${index * ROWS + row},name ${row},${row}.25\n`).join('')}`,
  );

async function completed(): Promise<number> {
  const [row] = await bed.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM files WHERE status = 'COMPLETED'`;
  return row?.n ?? 0;
}

/** P3: what the partner sees under a final name is whole, at any moment. */
async function expectNoPartialNames(sizes: ReadonlySet<number>): Promise<void> {
  for (const name of await readdir(server.onDisk)) {
    if (name.startsWith('.')) continue;
    expect(sizes).toContain((await stat(join(server.onDisk, name))).size);
  }
}

test(`${KILLS} kills lose no row, no file and no receipt, and repeat none`, async () => {
  const bodies = Array.from({ length: FILES }, (_, index) => bodyOf(index));
  const sizes = new Set(bodies.map(({ length }) => length));
  const jobs = await bed.putFiles({ count: FILES, bodyOf });
  const env = {
    ...{
      LONGSHORE_SECRETS_DIRECTORY: secrets,
      LONGSHORE_PARTNER_ADDRESSES: '127.0.0.0/8',
      LONGSHORE_REMOTE_ADDRESSES: '127.0.0.0/8',
    },
    ...{ LONGSHORE_RECEIPT_SECRET: 'receipt-key', LONGSHORE_SLOTS: '4' },
  };
  await bed.wakeUps.sendJobs(jobs);
  for (let kill = 0; kill < KILLS && (await completed()) < FILES; kill += 1) {
    const worker = await bed.startWorker(MAIN, env);
    await bed.sweep();
    await delay(Math.random() * 900);
    await worker.end('SIGKILL');
    await expectNoPartialNames(sizes);
  }
  await bed.startWorker(MAIN, env);
  await expect
    .poll(
      async () => {
        await bed.sweep();
        await expectNoPartialNames(sizes);
        return await completed();
      },
      { timeout: 300_000, interval: 500 },
    )
    .toBe(FILES);

  const [loaded] = await target.sql<{ rows: number; ids: number; loads: number }[]>`
      SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids, (SELECT count(*)::int FROM longshore_loads) AS loads FROM statements`;
  expect(loaded).toEqual({ rows: FILES * ROWS, ids: FILES * ROWS, loads: FILES });
  const names = (await readdir(server.onDisk)).filter((name) => !name.startsWith('.'));
  const contents = await Promise.all(names.map(async (name) => String(await readFile(join(server.onDisk, name)))));
  expect(contents.sort()).toEqual(bodies.map(String).sort());
  expect(await bed.sql`SELECT DISTINCT kind, stage, count(*)::int AS n FROM effects GROUP BY 1, 2 ORDER BY 1`).toEqual([
    { kind: 'load', stage: 'DONE', n: FILES },
    { kind: 'push', stage: 'DONE', n: FILES },
  ]);
  const keys = createReceiptKeys({ read: async () => ({ text: receiptKey, version: '1' }) }, 'key');
  const receipts = await bed.sql<{ jws: string }[]>`SELECT jws FROM receipts ORDER BY seq`;
  expect(receipts).toHaveLength(FILES);
  let previous: string | null = null;
  for (const { jws } of receipts) {
    const verified = await verifyReceipt(jws, (await keys.published()) as never);
    expect(verified).toMatchObject({ ok: true, payload: { previous } });
    previous = verified.ok ? verified.hash : null;
  }
  const violations = await findRowViolations(bed.sql, { isAtRest: true });
  // Nothing publishes here.
  expect(violations.filter(({ rule }) => rule !== 'every event left the outbox')).toEqual([]);
}, 300_000);
