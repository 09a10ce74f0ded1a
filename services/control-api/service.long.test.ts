/** The control API as a process: behind TLS, next to queues that do not answer, and what it holds in memory. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { expect, test } from 'vitest';
import { MEMORY_VARIABLES } from '#shared/runtime/config/memory.ts';
import { startApiProcess } from '#testkit/beds/start-api-process.ts';
import { startTcpProxy } from '#testkit/servers/start-tcp-proxy.ts';

test('speaks TLS to a load balancer that checks no certificate, refuses everything else, and ends with connections that stay open', async () => {
  const { child, port, url, keys, stop } = await startApiProcess({ LONGSHORE_API_TLS: 'self-signed' });
  const exited = once(child, 'exit');
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const at = `https://127.0.0.1:${port}`;
  const headers = { 'x-api-key': keys.operator };
  try {
    const reply = await request(`${at}/api/v1/files`, { dispatcher, headers });
    expect([reply.statusCode, await reply.body.json()]).toMatchObject([200, { files: [] }]);
    await expect(fetch(`${url}/api/v1/files`, { headers, signal: AbortSignal.timeout(10_000) })).rejects.toThrow();
  } finally {
    await stop();
  }
  expect(await exited).toEqual([0, null]);
  await dispatcher.close();
});

test('starts and serves what needs no queue while the queues take connections and do not answer', async () => {
  const silent = await startTcpProxy('http://127.0.0.1:1');
  silent.hush();
  const { url: api, keys, stop } = await startApiProcess({ AWS_ENDPOINT_URL_SQS: silent.url });
  try {
    const headers = { 'x-api-key': keys.operator };
    expect((await fetch(`${api}/api/v1/files`, { headers })).status).toBe(200);
    const reply = await fetch(`${api}/api/v1/queues`, { headers });
    expect([reply.status, ((await reply.json()) as { code: string }).code]).toEqual([503, 'DEPENDENCY_UNAVAILABLE']);
  } finally {
    await stop();
    await silent.stop();
  }
});

/**
 * 138 MB were measured. Most of it is definition schemas, endpoints and their description, which every process needs; clients of remotes and
 * providers, and what reads YAML, tokens and calendars, are loaded by first use.
 */
test('stays under 160 MB under load, run as README.md says', async () => {
  // Without them the TypeScript stripper (25 MB) and a lazy young generation (40 MB) stay resident.
  const NODE_COMPILE_CACHE = await mkdtemp(join(tmpdir(), 'longshore-compile-cache-'));
  const env = { NODE_COMPILE_CACHE, ...MEMORY_VARIABLES };
  await (await startApiProcess(env)).stop();
  const { child, url: api, keys, residentMb, stop } = await startApiProcess(env);
  const exited = once(child, 'exit');
  try {
    const ask = async () =>
      (await fetch(`${api}/api/v1/files`, { headers: { 'x-api-key': keys.operator } })).arrayBuffer();
    for (let round = 0; round < 100; round += 1) await Promise.all([ask(), ask(), ask(), ask(), ask()]);
    expect(await residentMb()).toBeLessThan(160);
  } finally {
    await stop();
    await rm(NODE_COMPILE_CACHE, { recursive: true, force: true });
  }
  expect(await exited).toEqual([0, null]);
});
