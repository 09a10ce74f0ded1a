import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { assertPortFree, findFreeBase, findFreePort, PORT_OFFSETS, portsFrom } from '#local/ports.ts';

test('every port is the base and an offset of its own', () => {
  expect(portsFrom(8080).api).toBe(8080);
  const offsets = Object.values(PORT_OFFSETS);
  expect(new Set(offsets).size).toBe(offsets.length);
});

test('every port of a free base is free', async () => {
  const ports = Object.values(portsFrom(await findFreeBase()));
  await Promise.all(ports.map((port) => assertPortFree({ host: '127.0.0.1', port, purpose: 'a test' })));
});

test('a port in use is refused in one sentence that names it', async () => {
  const port = await findFreePort();
  await assertPortFree({ host: '127.0.0.1', port, purpose: 'PostgreSQL' });
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  try {
    await expect(assertPortFree({ host: '127.0.0.1', port, purpose: 'PostgreSQL' })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `Another process listens on port ${port} of 127.0.0.1, which PostgreSQL needs: stop it, or choose other ports with LONGSHORE_PORT_BASE.`,
    });
  } finally {
    server.close();
  }
});
