/** The control API as a process behind TLS, and next to queues that do not answer. */
import { once } from 'node:events';
import { Agent, request } from 'undici';
import { expect, test } from 'vitest';
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
