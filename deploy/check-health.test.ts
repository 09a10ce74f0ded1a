import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('check-health.mjs', import.meta.url));

function check(args: readonly string[], env: Record<string, string> = {}): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  execFile(process.execPath, [PROGRAM, ...args], { env }, (error) => resolve(error === null ? 0 : Number(error.code)));
  return promise;
}

test('the health check of a container says what the service says, and that it is ill when nobody answers', async () => {
  let status = 200;
  const server = createServer((request, response) =>
    response.writeHead(request.url === '/healthz' ? status : 404).end(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await check([String(port)])).toBe(0);
  expect(await check([], { LONGSHORE_HTTP_PORT: String(port) })).toBe(0);
  status = 503;
  expect(await check([String(port)])).toBe(1);
  server.close();
  await once(server, 'close');
  expect(await check([String(port)])).toBe(1);
});
