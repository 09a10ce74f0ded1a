/**
 * CRC32C and CRC64NVME, which Node lacks, in slices of eight bytes, and the joining of CRCs of adjoining pieces.
 *
 * Both are reflected with all ones as start and final xor (CRC RevEng catalogue: CRC-32/ISCSI, CRC-64/NVME). A 64-bit state is two
 * signed 32-bit halves, because BigInt is some fifty times slower. Words are read little-endian, as x64 and arm64 are.
 */

const CRC32C_POLYNOMIAL = 0x82f63b78;
const CRC64NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

/** Entry `256 * k + b` is the CRC of byte `b` followed by `k` zero bytes. */
const CRC32C_SLICES = buildCrc32cSlices();
const [CRC64_LOW, CRC64_HIGH] = buildCrc64Slices();

/** Continues from `previous`, like `zlib.crc32`. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const table = CRC32C_SLICES;
  let crc = ~previous;
  let index = 0;
  const aligned = Math.min(bytes.length, (4 - (bytes.byteOffset & 3)) & 3);
  while (index < aligned) crc = (crc >>> 8) ^ table[(crc ^ bytes[index++]!) & 255]!;
  const words = pairedWordsFrom(bytes, index);
  for (let word = 0; word < words.length; word += 2) {
    const first = crc ^ words[word]!;
    const second = words[word + 1]!;
    crc =
      table[1792 + (first & 255)]! ^
      table[1536 + ((first >>> 8) & 255)]! ^
      table[1280 + ((first >>> 16) & 255)]! ^
      table[1024 + (first >>> 24)]! ^
      table[768 + (second & 255)]! ^
      table[512 + ((second >>> 8) & 255)]! ^
      table[256 + ((second >>> 16) & 255)]! ^
      table[second >>> 24]!;
  }
  index += words.length * 4;
  while (index < bytes.length) crc = (crc >>> 8) ^ table[(crc ^ bytes[index++]!) & 255]!;
  return ~crc >>> 0;
}

/** The running CRC64NVME of a stream. */
export class Crc64Nvme {
  #low = -1;
  #high = -1;

  update(bytes: Uint8Array): void {
    const lows = CRC64_LOW;
    const highs = CRC64_HIGH;
    let index = 0;
    const aligned = Math.min(bytes.length, (4 - (bytes.byteOffset & 3)) & 3);
    for (; index < aligned; index++) this.#updateByte(bytes[index]!);
    const words = pairedWordsFrom(bytes, index);
    let low = this.#low;
    let high = this.#high;
    for (let word = 0; word < words.length; word += 2) {
      const first = low ^ words[word]!;
      const second = high ^ words[word + 1]!;
      const a = 1792 + (first & 255);
      const b = 1536 + ((first >>> 8) & 255);
      const c = 1280 + ((first >>> 16) & 255);
      const d = 1024 + (first >>> 24);
      const e = 768 + (second & 255);
      const f = 512 + ((second >>> 8) & 255);
      const g = 256 + ((second >>> 16) & 255);
      const h = second >>> 24;
      low = lows[a]! ^ lows[b]! ^ lows[c]! ^ lows[d]! ^ lows[e]! ^ lows[f]! ^ lows[g]! ^ lows[h]!;
      high = highs[a]! ^ highs[b]! ^ highs[c]! ^ highs[d]! ^ highs[e]! ^ highs[f]! ^ highs[g]! ^ highs[h]!;
    }
    this.#low = low;
    this.#high = high;
    for (index += words.length * 4; index < bytes.length; index++) this.#updateByte(bytes[index]!);
  }

  #updateByte(byte: number): void {
    const entry = (this.#low ^ byte) & 255;
    this.#low = ((this.#low >>> 8) | (this.#high << 24)) ^ CRC64_LOW[entry]!;
    this.#high = (this.#high >>> 8) ^ CRC64_HIGH[entry]!;
  }

  /** Eight bytes, big-endian, as S3 encodes them. */
  digest(): Buffer {
    const digest = Buffer.alloc(8);
    digest.writeInt32BE(~this.#high, 0);
    digest.writeInt32BE(~this.#low, 4);
    return digest;
  }
}

const NO_WORDS = new Int32Array(0);

/** `index` must be aligned unless fewer than eight bytes are left. */
function pairedWordsFrom(bytes: Uint8Array, index: number): Int32Array {
  const pairs = (bytes.length - index) >> 3;
  return pairs === 0 ? NO_WORDS : new Int32Array(bytes.buffer, bytes.byteOffset + index, pairs * 2);
}

export interface CrcPiece {
  /** Big-endian. */
  readonly crc: Buffer;
  readonly sizeBytes: number;
}

const COMBINERS = {
  CRC32: { polynomial: 0xedb88320n, bits: 32n },
  CRC32C: { polynomial: BigInt(CRC32C_POLYNOMIAL), bits: 32n },
  CRC64NVME: { polynomial: CRC64NVME_POLYNOMIAL, bits: 64n },
} as const;

/** The CRC of all pieces one after the other: crc(AB) = crc(A) * x^(8 |B|) + crc(B) over GF(2). */
export function combineCrcs(algorithm: keyof typeof COMBINERS, pieces: readonly CrcPiece[]): Buffer {
  const { polynomial, bits } = COMBINERS[algorithm];
  const multiply = (a: bigint, b: bigint) => multiplyModulo(a, b, polynomial, bits);
  // Parts of one upload have one size, so their shift is worked out once.
  const shifts = new Map<number, bigint>();
  let combined = 0n;
  for (const { crc, sizeBytes } of pieces) {
    let shift = shifts.get(sizeBytes);
    if (shift === undefined) {
      shift = powerOfX(BigInt(sizeBytes) * 8n, bits, multiply);
      shifts.set(sizeBytes, shift);
    }
    combined = multiply(shift, combined) ^ BigInt(`0x${crc.toString('hex')}`);
  }
  return Buffer.from(combined.toString(16).padStart(Number(bits / 4n), '0'), 'hex');
}

/** Reflected: the highest bit stands for x^0. */
function multiplyModulo(a: bigint, b: bigint, polynomial: bigint, bits: bigint): bigint {
  let product = 0n;
  let shifted = b;
  for (let bit = 1n << (bits - 1n); bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ polynomial : shifted >> 1n;
  }
  return product;
}

function powerOfX(exponent: bigint, bits: bigint, multiply: (a: bigint, b: bigint) => bigint): bigint {
  let result = 1n << (bits - 1n);
  let square = 1n << (bits - 2n);
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

function buildCrc32cSlices(): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CRC32C_POLYNOMIAL : crc >>> 1;
    table[byte] = crc;
  }
  for (let entry = 256; entry < table.length; entry++) {
    const shorter = table[entry - 256]!;
    table[entry] = (shorter >>> 8) ^ table[shorter & 255]!;
  }
  return table;
}

function buildCrc64Slices(): [Int32Array, Int32Array] {
  const lows = new Int32Array(8 * 256);
  const highs = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ CRC64NVME_POLYNOMIAL : crc >> 1n;
    lows[byte] = Number(BigInt.asIntN(32, crc));
    highs[byte] = Number(BigInt.asIntN(32, crc >> 32n));
  }
  for (let entry = 256; entry < lows.length; entry++) {
    const low = lows[entry - 256]!;
    const high = highs[entry - 256]!;
    lows[entry] = ((low >>> 8) | (high << 24)) ^ lows[low & 255]!;
    highs[entry] = (high >>> 8) ^ highs[low & 255]!;
  }
  return [lows, highs];
}
