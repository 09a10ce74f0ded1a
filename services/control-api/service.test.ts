import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startApiProcess } from '#testkit/beds/start-api-process.ts';
import { withCompileCache } from '#testkit/servers/start-process.ts';

test('runs as a process: ready, measured, described, and gone on SIGTERM', async () => {
  const { child, url: api, operationsUrl: operations, output, keys, stop } = await startApiProcess();
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
