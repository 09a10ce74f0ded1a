import { setImmediate as turn } from 'node:timers/promises';
import type { SFTPWrapper } from 'ssh2';
import { expect, test } from 'vitest';
import { gatherRequests } from './gather-requests.ts';

function channelOf(packetSize: number) {
  const sent: string[] = [];
  const channel = {
    outgoing: { packetSize },
    _protocol: {
      channelData: (id: number, data: Buffer) => void sent.push(`${id}:${data}`),
      channelClose: (id: number) => void sent.push(`${id} closed`),
    },
  };
  gatherRequests(channel as unknown as SFTPWrapper);
  return { sent, send: (text: string) => channel._protocol.channelData(7, Buffer.from(text)), channel };
}

test('requests of one turn leave in one packet, in their order; those of the next in another', async () => {
  const { sent, send } = channelOf(100);
  for (const text of ['open ', 'write ', 'close']) send(text);
  expect(sent).toEqual([]);
  await turn();
  send('stat');
  await turn();
  expect(sent).toEqual(['7:open write close', '7:stat']);
});

test('no packet is longer than the server takes', async () => {
  const { sent, send } = channelOf(10);
  for (const text of ['12345', '67890', 'a', 'bcdefghijk', 'l']) send(text);
  await turn();
  expect(sent).toEqual(['7:1234567890', '7:a', '7:bcdefghijk', '7:l']);
});

test('what was asked for goes before the channel is closed, and nothing after', async () => {
  const { sent, send, channel } = channelOf(100);
  send('close');
  channel._protocol.channelClose(7);
  await turn();
  expect(sent).toEqual(['7:close', '7 closed']);
});
