/**
 * A read of an object that is judged on the way. The store's checksum is of the whole, so a fault that is found before the end may be one
 * of the line: then the same bytes are read again and compared.
 */
import { crc32 } from 'node:zlib';
import type { CallOptions, ObjectAddress, ObjectStore } from './object-store.ts';
import { freeMemory } from './read-object.ts';

export interface WitnessedRead {
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Whether what came so far is what the object holds. */
  wasTrue(): Promise<boolean>;
}

export function verifiedRead(
  store: Pick<ObjectStore, 'readStream'>,
  { etag, ...address }: ObjectAddress & { readonly etag?: string | undefined },
  { signal }: CallOptions,
): WitnessedRead {
  let count = 0;
  let crc = 0;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of store.readStream(address, { ifMatch: etag, signal })) {
      count += piece.length;
      crc = crc32(piece, crc);
      yield piece;
    }
  }
  return {
    pieces: pieces(),
    async wasTrue() {
      const [seen, last] = [crc, count - 1];
      if (last < 0) return true;
      let again = 0;
      for await (const piece of store.readStream(address, { range: { first: 0, last }, ifMatch: etag, signal })) {
        again = crc32(piece, again);
        freeMemory(piece);
      }
      return again === seen;
    },
  };
}
