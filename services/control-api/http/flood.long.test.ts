import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type ApiProcess, startApiProcess } from '#testkit/beds/start-api-process.ts';

let api: ApiProcess;
const sockets: Socket[] = [];
beforeEach(async () => {
  // As README.md says: otherwise what is measured is a young generation that grows to 67 MB with no flood at all.
  api = await startApiProcess({
    LONGSHORE_API_RATE_PER_SECOND: '100000',
    NODE_OPTIONS: '--max-semi-space-size=4',
  });
});
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

async function askAsTenant(key = api.keys.acme): Promise<number> {
  const reply = await fetch(`${api.url}/status?file_id=a`, { headers: { 'x-api-key': key } });
  await reply.arrayBuffer();
  return reply.status;
}

async function peakMbOfRounds(rounds: number): Promise<number> {
  let peak = 0;
  for (let round = 0; round < rounds; round += 1) {
    expect(await askAsTenant()).toBe(404);
    peak = Math.max(peak, await api.residentMb());
  }
  return peak;
}

test('requests that are piped in by the ten thousand and never read leave memory, log and key holders alone', async () => {
  // A process that has just started still grows, by 24 MB in these rounds.
  const base = await peakMbOfRounds(900);
  const logged = api.output().length;
  for (let socket = 0; socket < 20; socket += 1) pour(REQUEST.repeat(40_000));
  const peak = await peakMbOfRounds(300);
  expect(api.exitCode()).toBeNull();
  expect(peak - base).toBeLessThan(64);
  const lines = api
    .output()
    .slice(logged)
    .split('\n')
    .filter((line) => !line.includes('"tenant":"acme"'));
  expect(lines.length).toBeLessThan(30);
  expect(api.output()).not.toContain('"stack"');
});

test('sockets that send nothing, or a header without an end, are cut one by one when an address has too many', async () => {
  let cut = 0;
  const opened: Promise<void>[] = [];
  for (let index = 0; index < 1_200; index += 1) {
    const socket = connect(api.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.once('close', () => {
      cut += 1;
    });
    socket.resume();
    if (index % 2 === 0) socket.write('GET /status HTTP/1.1\r\nx: ');
    opened.push(new Promise((resolve) => socket.once('connect', resolve)));
    sockets.push(socket);
  }
  await Promise.all(opened);
  await vi.waitFor(() => expect(cut).toBeGreaterThanOrEqual(200), { timeout: 60_000 });
  expect(await askAsTenant()).toBe(404);
});

test('a tenant that sends many bodies slowly leaves places for the others, and has some for itself when they end', async () => {
  expect(await askAsTenant(api.keys.globex)).toBe(404);
  const head = `POST /graphql HTTP/1.1\r\nhost: x\r\nx-api-key: ${api.keys.globex}\r\n`;
  let answers = '';
  for (let index = 0; index < 300; index += 1) {
    const socket = connect(api.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      answers += String(chunk);
    });
    socket.write(`${head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{`);
    sockets.push(socket);
  }
  await vi.waitFor(() => expect(answers.match(/ 429 /g)?.length).toBe(100), { timeout: 60_000 });
  expect(answers).toContain('retry-after: 1');
  expect(await askAsTenant()).toBe(404);
  for (const socket of sockets.splice(0)) socket.destroy();
  await vi.waitFor(async () => expect(await askAsTenant(api.keys.globex)).toBe(404), { timeout: 60_000 });
});

async function askWithWrongKeys(stranger: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < 10; index += 1) {
    const headers = { 'x-api-key': `ls_wrong_key_number_${stranger * 10 + index}` };
    const reply = await fetch(`${api.url}/status?file_id=a`, { headers });
    await reply.arrayBuffer();
    statuses.push(reply.status);
  }
  return statuses;
}

test('wrong keys from one address are refused without a look-up each, and a key from the same address is served', async () => {
  expect(await askAsTenant()).toBe(404);
  // Fewer at a time than an address may have idle: of 2,000 that connect at once some are cut before they are read.
  const replies = Promise.all(Array.from({ length: 200 }, async (_, stranger) => await askWithWrongKeys(stranger)));
  for (let round = 0; round < 50; round += 1) expect(await askAsTenant()).toBe(404);
  const statuses = (await replies).flat();
  expect(statuses.filter((status) => status === 401)).toHaveLength(59);
  expect(statuses.filter((status) => status === 429)).toHaveLength(1_941);
});
