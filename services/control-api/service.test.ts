import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MEMORY_VARIABLES } from '#shared/runtime/config/memory.ts';
import { startApiProcess } from '#testkit/beds/start-api-process.ts';
import { withCompileCache } from '#testkit/servers/start-process.ts';

/** As README.md says: without them the TypeScript stripper (25 MB) and a lazy young generation (40 MB) stay resident. */
let env: { NODE_COMPILE_CACHE: string } & typeof MEMORY_VARIABLES;
beforeAll(async () => {
  const compileCache = await mkdtemp(join(tmpdir(), 'longshore-compile-cache-'));
  env = { NODE_COMPILE_CACHE: compileCache, ...MEMORY_VARIABLES };
});
afterAll(async () => await rm(env.NODE_COMPILE_CACHE, { recursive: true, force: true }));

test('runs as a process: ready, measured, described, and gone on SIGTERM', async () => {
  const { child, url: api, operationsUrl: operations, output, keys, stop } = await startApiProcess(env);
  const exited = once(child, 'exit');
  try {
    const headers = { 'x-api-key': keys.operator };
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
    await stop();
  }
  expect(await exited).toEqual([0, null]);
  expect(output()).not.toContain(keys.operator);
});

/**
 * 138 MB were measured. Most of it is definition schemas, endpoints and their description, which every process needs; clients of remotes and
 * providers, and what reads YAML, tokens and calendars, are loaded by first use.
 */
test('stays under 160 MB under load, run as README.md says', async () => {
  const { child, url: api, keys, residentMb, stop } = await startApiProcess(env);
  const exited = once(child, 'exit');
  try {
    const ask = async () =>
      (await fetch(`${api}/api/v1/files`, { headers: { 'x-api-key': keys.operator } })).arrayBuffer();
    for (let round = 0; round < 100; round += 1) await Promise.all([ask(), ask(), ask(), ask(), ask()]);
    expect(await residentMb()).toBeLessThan(160);
  } finally {
    await stop();
  }
  expect(await exited).toEqual([0, null]);
});

test('with a faulty configuration ends before it starts, with every fault named', async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url))], {
    env: withCompileCache({ LONGSHORE_API_PORT: '99999', LONGSHORE_API_RATE_PER_SECOND: 'fast' }),
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
