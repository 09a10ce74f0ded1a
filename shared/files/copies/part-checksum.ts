/** The checksum that a held part is sent with, of its upload's algorithm: the store takes no other bytes. */
import { createRequire } from 'node:module';
import type { UploadAlgorithm } from './multipart-upload.ts';

/** Of reflected CRCs that begin and end with all ones (CRC RevEng catalogue: CRC-32/ISCSI, CRC-64/NVME). */
const CRC32C_POLYNOMIAL = 0x82f63b78;
const CRC64NVME_POLYNOMIAL = '9a6c9329ac4bc9b5';

const require = createRequire(import.meta.url);

type Digest = (bytes: Uint8Array) => Buffer;

const digests = new Map<UploadAlgorithm, Promise<Digest>>();

/** Base64, big-endian, as S3 has it. */
export async function partChecksum(algorithm: UploadAlgorithm, bytes: Uint8Array): Promise<string> {
  let loading = digests.get(algorithm);
  if (loading === undefined) {
    loading = loadDigest(algorithm);
    digests.set(algorithm, loading);
  }
  const digest = await loading;
  return digest(bytes).toString('base64');
}

/** Loaded by the first streamed part: processes that stream none do without its megabytes. */
async function loadDigest(algorithm: UploadAlgorithm): Promise<Digest> {
  if (algorithm === 'CRC32') {
    const { crc32 } = await import('node:zlib');
    return (bytes) => {
      const digest = Buffer.alloc(4);
      digest.writeUInt32BE(crc32(bytes));
      return digest;
    };
  }
  const hasher = algorithm === 'CRC32C' ? await loadCrc32c() : await loadCrc64Nvme();
  // One for all parts: nothing is awaited between its beginning and its end.
  return (bytes) => Buffer.from(hasher.init().update(bytes).digest('binary'));
}

// Of the library's files one each: all of them together take five megabytes.
function loadCrc32c() {
  const { createCRC32 } = require('hash-wasm/dist/crc32.umd.min.js') as typeof import('hash-wasm');
  return createCRC32(CRC32C_POLYNOMIAL);
}

/** For content that goes by. */
export async function createCrc64Nvme() {
  const hasher = await loadCrc64Nvme();
  return hasher.init();
}

function loadCrc64Nvme() {
  const { createCRC64 } = require('hash-wasm/dist/crc64.umd.min.js') as typeof import('hash-wasm');
  return createCRC64(CRC64NVME_POLYNOMIAL);
}
