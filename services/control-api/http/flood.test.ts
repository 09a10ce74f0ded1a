import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApiProcess, startApiProcess } from '#testkit/beds/start-api-process.ts';

let api: ApiProcess;
const sockets: Socket[] = [];
beforeEach(async () => {
  api = await startApiProcess({ LONGSHORE_API_RATE_PER_SECOND: '100000' });
}, 60_000);
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await api?.stop();
});

const REQUEST = 'GET /status?file_id=a HTTP/1.1\r\nhost: x\r\nx-api-key: ls_wrong_key_of_a_stranger\r\n\r\n';

/** Writes and never reads. */
function pour(text: string): void {
  const socket = connect(api.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  socket.write(text);
  sockets.push(socket);
}

async function askAsTenant(): Promise<number> {
  const reply = await fetch(`${api.url}/status?file_id=a`, { headers: { 'x-api-key': api.keys.acme } });
  await reply.arrayBuffer();
  return reply.status;
}

test('requests that are piped in by the ten thousand and never read leave memory, log and key holders alone', async () => {
  for (let round = 0; round < 300; round += 1) expect(await askAsTenant()).toBe(404);
  const base = await api.residentMb();
  const logged = api.output().length;
  let peak = base;
  for (let socket = 0; socket < 20; socket += 1) pour(REQUEST.repeat(40_000));
  for (let round = 0; round < 300; round += 1) {
    expect(await askAsTenant()).toBe(404);
    peak = Math.max(peak, await api.residentMb());
  }
  expect(api.exitCode()).toBeNull();
  expect(peak - base).toBeLessThan(64);
  const lines = api
    .output()
    .slice(logged)
    .split('\n')
    .filter((line) => !line.includes('"tenant":"acme"'));
  expect(lines.length).toBeLessThan(30);
  expect(api.output()).not.toContain('"stack"');
}, 120_000);

test('wrong keys from one address are refused without a look-up each, and a key from the same address is served', async () => {
  expect(await askAsTenant()).toBe(404);
  const replies = Promise.all(
    Array.from({ length: 2_000 }, async (_, index) => {
      const headers = { 'x-api-key': `ls_wrong_key_number_${index}` };
      const reply = await fetch(`${api.url}/status?file_id=a`, { headers });
      await reply.arrayBuffer();
      return reply.status;
    }),
  );
  for (let round = 0; round < 50; round += 1) expect(await askAsTenant()).toBe(404);
  const statuses = await replies;
  expect(statuses.filter((status) => status === 401)).toHaveLength(59);
  expect(statuses.filter((status) => status === 429)).toHaveLength(1_941);
}, 60_000);
