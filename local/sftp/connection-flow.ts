/**
 * Back-pressure of one connection, both ways, which ssh2's server leaves to its user.
 *
 * 1. In: while too much waits for the object store, the socket is not read.
 * 2. Out: file bytes are sent only while the client takes them; what it did not ask a window for is not queued.
 */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface ConnectionFlow {
  /** Counts received bytes until `work` is settled. */
  holding<T>(bytes: number, work: Promise<T>): Promise<T>;
  /** Resolves when `channel` has room to send, or the connection is gone. */
  roomToSend(channel: object): Promise<void>;
}

const MAX_UNSENT_BYTES = 4 * 1_024 * 1_024;
/** The window opens by a message that ssh2 does not tell of, so it is looked at. */
const LOOK_INTERVAL_MS = 5;

export function createConnectionFlow(socket: Socket, maxHeldBytes: number): ConnectionFlow {
  let heldBytes = 0;

  function hold(bytes: number): void {
    heldBytes += bytes;
    if (heldBytes > maxHeldBytes) socket.pause();
    else if (socket.isPaused() && heldBytes <= maxHeldBytes / 2) socket.resume();
  }

  return {
    async holding(bytes, work) {
      hold(bytes);
      try {
        return await work;
      } finally {
        hold(-bytes);
      }
    },
    async roomToSend(channel) {
      while (!socket.destroyed && (windowOf(channel) <= 0 || socket.writableLength > MAX_UNSENT_BYTES)) {
        await delay(LOOK_INTERVAL_MS);
      }
    },
  };
}

/** ssh2's channel has it, its types do not. */
function windowOf(channel: object): number {
  const { outgoing } = channel as { outgoing?: { window?: number } };
  return outgoing?.window ?? Number.POSITIVE_INFINITY;
}
