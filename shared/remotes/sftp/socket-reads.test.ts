import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { createSocketReads } from './socket-reads.ts';

let server: Server | undefined;
let socket: Socket | undefined;

afterEach(() => {
  socket?.destroy();
  server?.close();
});

async function start() {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const reads = createSocketReads(1_024);
  socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, onread: reads.onread });
  await once(socket, 'connect');
  reads.feed(socket);
  const [far] = (await accepted) as [Socket];
  // The other side may leave first.
  far.on('error', () => {});
  return { reads, socket, far };
}

test('keeps what came before anybody listened, and gives it first', async () => {
  const { socket, far } = await start();
  far.write('SSH-2.0-early\r\n');
  await waitUntil('bytes came', () => socket.bytesRead > 0, { timeoutMs: 60_000 });

  const came: string[] = [];
  socket.on('data', (bytes: Buffer) => came.push(bytes.toString()));
  far.write('later');

  await waitUntil('all came', () => came.join('') === 'SSH-2.0-early\r\nlater', { timeoutMs: 60_000 });
});

test('gives bytes that stay as they are, until its buffer is shared', async () => {
  const { reads, socket, far } = await start();
  const came: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => came.push(bytes));
  const send = async (text: string): Promise<void> => {
    const before = came.length;
    far.write(text);
    await waitUntil(`${text} came`, () => came.length > before, { timeoutMs: 60_000, intervalMs: 5 });
  };

  await send('first');
  await send('other');
  expect(came.map(String)).toEqual(['first', 'other']);

  reads.share(true);
  await send('third');
  await send('again');
  expect(came.map(String)).toEqual(['first', 'other', 'again', 'again']);
});
