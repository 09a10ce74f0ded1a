/**
 * SFTP requests that are asked for at one time leave in one SSH packet. ssh2 makes a packet of each, and both ends pay for a packet as much as
 * for what is in it: a small file is six requests of a few bytes.
 *
 * 1. The order of requests is kept.
 * 2. A packet is not longer than the server takes; the window was counted before.
 */
import type { SFTPWrapper } from 'ssh2';

/** Where ssh2 1.17 keeps by what a channel of SFTP sends; nothing else of it is used there. */
interface Inside {
  readonly outgoing?: { readonly packetSize: number };
  _protocol?: Sending;
}
interface Sending {
  channelData(channel: number, data: Buffer): void;
  channelClose(channel: number): void;
}

export function gatherRequests(sftp: SFTPWrapper): void {
  const inside = sftp as unknown as Inside;
  const { _protocol: protocol, outgoing } = inside;
  if (protocol === undefined || outgoing === undefined) return;
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;

  function send(channel: number): void {
    const [only, ...others] = gathered;
    if (only === undefined) return;
    const data = others.length === 0 ? only : Buffer.concat(gathered, gatheredBytes);
    gathered = [];
    gatheredBytes = 0;
    protocol?.channelData(channel, data);
  }

  inside._protocol = {
    channelData(channel, data) {
      if (gatheredBytes + data.length > outgoing.packetSize) send(channel);
      if (gathered.length === 0) process.nextTick(send, channel);
      gathered.push(data);
      gatheredBytes += data.length;
    },
    channelClose(channel) {
      send(channel);
      protocol.channelClose(channel);
    },
  };
}
