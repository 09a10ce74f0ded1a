import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findFreePort } from '#local/ports.ts';
import { createTestDatabase, type TestDatabase } from '#local/postgres/test-database.ts';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { createApiKey } from '#shared/jobs/api-keys.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { type Fauxqs, startFauxqs } from '#shared/testing/start-fauxqs.ts';

let database: TestDatabase;
let fauxqs: Fauxqs;
let key: string;
let compileCache: string;

beforeAll(async () => {
  compileCache = await mkdtemp(join(tmpdir(), 'longshore-compile-cache-'));
  [database, fauxqs] = await Promise.all([createTestDatabase(), startFauxqs()]);
  await createQueues({ client: fauxqs.sqs, prefix: 'test' });
  const sql = connectDatabase(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: 1,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 5_000,
    },
    'test',
  );
  ({ key } = await createApiKey(sql, { tenantId: null, label: 'test', actor: 'test' }));
  await sql.end();
});
afterAll(async () => {
  await fauxqs?.stop();
  await database?.drop();
  await rm(compileCache, { recursive: true, force: true });
});

async function startProcess(): Promise<{ child: ChildProcess; api: string; operations: string; output: () => string }> {
  const [apiPort, operationsPort] = [await findFreePort(), await findFreePort()];
  const child = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url))], {
    env: {
      ...fauxqs.env,
      // As README.md says: without them the TypeScript stripper (25 MB) and a lazy young generation (40 MB) stay resident.
      NODE_COMPILE_CACHE: compileCache,
      NODE_OPTIONS: '--max-semi-space-size=4',
      DATABASE_URL: database.url,
      LONGSHORE_PREFIX: 'test',
      LONGSHORE_HTTP_HOST: '127.0.0.1',
      LONGSHORE_HTTP_PORT: String(operationsPort),
      LONGSHORE_API_PORT: String(apiPort),
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  const operations = `http://127.0.0.1:${operationsPort}`;
  const isReady = () =>
    fetch(`${operations}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await expect.poll(isReady, { timeout: 15_000, interval: 50 }).toBe(true);
  return { child, api: `http://127.0.0.1:${apiPort}`, operations, output: () => output };
}

test('runs as a process: ready, measured, described, and gone on SIGTERM', async () => {
  const { child, api, operations, output } = await startProcess();
  const exited = once(child, 'exit');
  try {
    const headers = { 'x-api-key': key };
    for (let round = 0; round < 50; round += 1) await (await fetch(`${api}/api/v1/files`, { headers })).arrayBuffer();
    expect((await fetch(`${api}/status?file_id=a`, { headers })).status).toBe(404);
    const document = (await (await fetch(`${api}/openapi.json`)).json()) as { openapi: string; paths: object };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/status', '/api/v1/files', '/api/v1/jobs/{id}/retry', '/api/v1/routes']),
    );
    expect(await (await fetch(`${api}/docs/`)).text()).toContain('swagger');
    expect((await fetch(`${operations}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${operations}/metrics`)).text()).toContain(
      'longshore_api_request_seconds_count{method="GET",route="/api/v1/files",status="200"} 50',
    );
  } finally {
    child.kill('SIGTERM');
  }
  expect(await exited).toEqual([0, null]);
  expect(output()).not.toContain(key);
});

test('stays under 150 MB under load, run as README.md says', async () => {
  const { child, api } = await startProcess();
  const exited = once(child, 'exit');
  try {
    const ask = async () => (await fetch(`${api}/api/v1/files`, { headers: { 'x-api-key': key } })).arrayBuffer();
    for (let round = 0; round < 100; round += 1) await Promise.all([ask(), ask(), ask(), ask(), ask()]);
    const residentKb = Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))?.[1]);
    expect(residentKb / 1_024).toBeLessThan(150);
  } finally {
    child.kill('SIGTERM');
  }
  expect(await exited).toEqual([0, null]);
});

test('with a faulty configuration ends before it starts, with every fault named', async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url))], {
    env: { LONGSHORE_API_PORT: '99999', LONGSHORE_API_RATE_PER_SECOND: 'fast' },
  });
  let text = '';
  child.stderr.on('data', (chunk) => {
    text += String(chunk);
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  for (const name of ['DATABASE_URL', 'AWS_REGION', 'LONGSHORE_API_PORT', 'LONGSHORE_API_RATE_PER_SECOND'])
    expect(text).toContain(name);
});
