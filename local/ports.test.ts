import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { MOST_INSTANCES } from '#local/launcher/scale-option.ts';
import {
  assertPortFree,
  claimPorts,
  findFreePort,
  HIGHEST_OFFSET,
  PORT_OFFSETS,
  PORTS_PER_BLOCK,
  PORTS_PER_INSTANCE,
  portsFrom,
} from '#local/ports.ts';
import { startProcess } from '#testkit/servers/start-process.ts';

test('every port is the base and an offset of its own', () => {
  expect(portsFrom(8080).api).toBe(8080);
  const offsets = Object.values(PORT_OFFSETS);
  expect(new Set(offsets).size).toBe(offsets.length);
});

test('every port of a claimed base is free, also those of further instances', async () => {
  const { base, release } = await claimPorts();
  const last = HIGHEST_OFFSET + (MOST_INSTANCES - 1) * PORTS_PER_INSTANCE;
  expect(last).toBeLessThan(PORTS_PER_BLOCK - 1);
  const ports = Array.from({ length: last + 1 }, (_, offset) => base + offset);
  await Promise.all(ports.map((port) => assertPortFree({ host: '127.0.0.1', port, purpose: 'a test' })));
  await release();
});

test('what is claimed is given to nobody else on the machine, until it is released or its process is gone', async () => {
  const claimAll = `
    import { claimPorts } from '${new URL('ports.ts', import.meta.url).href}';
    const bases = await Promise.all(Array.from({ length: 20 }, async () => (await claimPorts()).base));
    console.log(JSON.stringify(bases));
    setInterval(() => {}, 1000);
  `;
  const processes = Array.from({ length: 3 }, () => startProcess(['--input-type=module', '-e', claimAll]));
  const claims = await Promise.all(processes.map((one) => one.untilLine(/^\[.*\]$/)));
  const bases = claims.flatMap(([line]) => JSON.parse(line) as number[]);
  expect(new Set(bases).size).toBe(60);
  const claimPort = (base: number) => ({ host: '127.0.0.1', port: base + PORTS_PER_BLOCK - 1, purpose: 'a claim' });
  await expect(assertPortFree(claimPort(bases[0]!))).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  await Promise.all(processes.map((one) => one.end('SIGKILL')));
  await assertPortFree(claimPort(bases[0]!));
  const { base, release } = await claimPorts();
  await expect(assertPortFree(claimPort(base))).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  await release();
  await assertPortFree(claimPort(base));
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
