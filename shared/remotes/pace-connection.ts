/**
 * A connection that carries at most so many bytes a second. A remote's `limits.bytesPerSecond` is shared out over its `limits.connections`, which
 * are counted over the whole fleet: so it holds over the fleet, and what one connection leaves no other takes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RemoteConnection, RemoteStaging, WriteOptions } from './remote-connection.ts';

export interface PaceOptions {
  readonly bytesPerSecond: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly wait?: (ms: number) => Promise<unknown>;
}

/** All uses of the connection count together. */
export function paceConnection(
  connection: RemoteConnection,
  { bytesPerSecond, now = () => performance.now(), wait = sleep }: PaceOptions,
): RemoteConnection {
  let freeAtMs = 0;
  async function* paced(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const piece of pieces) {
      const waitMs = freeAtMs - now();
      freeAtMs = Math.max(freeAtMs, now()) + (piece.byteLength * 1_000) / bytesPerSecond;
      if (waitMs > 0) await wait(waitMs);
      yield piece;
    }
  }
  const paceStaging = (staging: RemoteStaging): RemoteStaging => ({
    stage: async (path, file, read) => await staging.stage(path, file, (offset) => paced(read(offset))),
    show: async (path, file, options) => await staging.show(path, file, options),
    find: async (path, file) => await staging.find(path, file),
  });
  const pace = (paceable: RemoteConnection): RemoteConnection => ({
    get fingerprint() {
      return paceable.fingerprint;
    },
    get certificateEndsAt() {
      return paceable.certificateEndsAt;
    },
    get isUsable() {
      return paceable.isUsable;
    },
    unsureTailBytes: paceable.unsureTailBytes,
    list: (directory) => paceable.list(directory),
    stat: async (path) => await paceable.stat(path),
    read: (path, offset, sizeBytes) => paced(paceable.read(path, offset, sizeBytes)),
    write: async (path, body, options?: WriteOptions) => await paceable.write(path, paced(body), options),
    rename: async (from, to, options) => await paceable.rename(from, to, options),
    remove: async (path) => await paceable.remove(path),
    close: () => paceable.close(),
    ...(paceable.writeAndStat !== undefined && {
      writeAndStat: async (path, body, options) => await paceable.writeAndStat?.(path, paced(body), options),
    }),
    ...(paceable.renameAndStat !== undefined && {
      renameAndStat: async (from, to, options) => await paceable.renameAndStat?.(from, to, options),
    }),
    ...(paceable.hashOf !== undefined && { hashOf: paceable.hashOf }),
    ...(paceable.staging !== undefined && { staging: paceStaging(paceable.staging) }),
    ...(paceable.share !== undefined && { share: () => pace(paceable.share?.() ?? paceable) }),
  });
  return pace(connection);
}
