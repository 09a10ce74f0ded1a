/**
 * What comes over a socket, in one buffer that is read into again and again: a buffer for each 64 KiB, as Node makes them, is most of what the
 * collector is called for in a large file.
 *
 * 1. Who listens gets its own bytes until `share` says that it keeps none of them past its call.
 * 2. What comes before anybody listens is kept for the first who does.
 */
import type { OnReadOpts, Socket } from 'node:net';

const READ_BYTES = 262_144;

export interface SocketReads {
  /** For `net.connect`. */
  readonly onread: OnReadOpts;
  /** Once it is connected: its `data` events are ours from now on. */
  feed(socket: Socket): void;
  share(isShared: boolean): void;
}

export function createSocketReads(bytes = READ_BYTES): SocketReads {
  const early: Buffer[] = [];
  let socket: Socket | undefined;
  let isShared = false;

  function give(came: Uint8Array): void {
    const view = Buffer.from(came.buffer, came.byteOffset, came.byteLength);
    if (socket === undefined || socket.listenerCount('data') === 0) early.push(Buffer.from(view));
    else socket.emit('data', isShared ? view : Buffer.from(view));
  }

  return {
    onread: {
      buffer: Buffer.allocUnsafeSlow(bytes),
      callback(count, buffer) {
        give(buffer.subarray(0, count));
        return true;
      },
    },
    feed(connected) {
      socket = connected;
      connected.on('newListener', (event) => {
        if (event !== 'data' || early.length === 0) return;
        // It listens once this is over.
        queueMicrotask(() => {
          for (const piece of early.splice(0)) connected.emit('data', piece);
        });
      });
    },
    share(now) {
      isShared = now;
    },
  };
}
