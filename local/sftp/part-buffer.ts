/**
 * Collects bytes up to a part's size. Chunks are copied in, because each of ssh2's is a slice that would keep its whole
 * network buffer alive; the memory grows with what came, so that a small file does not cost a whole part.
 */
const FIRST_BYTES = 64 * 1_024;

export interface PartBuffer {
  readonly length: number;
  /** Takes as much of `chunk` as fits; returns how many bytes that were. */
  fill(chunk: Buffer): number;
  /** Gives away what was collected and begins again with another size. */
  take(nextCapacity: number): Buffer;
}

export function createPartBuffer(firstCapacity: number): PartBuffer {
  let capacity = firstCapacity;
  let buffer = Buffer.alloc(0);
  let length = 0;

  function ensure(bytes: number): void {
    if (bytes <= buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.min(capacity, Math.max(bytes, buffer.length * 2, FIRST_BYTES)));
    buffer.copy(grown, 0, 0, length);
    buffer = grown;
  }

  return {
    get length() {
      return length;
    },
    fill(chunk) {
      const taken = Math.min(chunk.length, capacity - length);
      ensure(length + taken);
      chunk.copy(buffer, length, 0, taken);
      length += taken;
      return taken;
    },
    take(nextCapacity) {
      const part = buffer.subarray(0, length);
      capacity = nextCapacity;
      buffer = Buffer.alloc(0);
      length = 0;
      return part;
    },
  };
}
