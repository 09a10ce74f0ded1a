/** The checksum that a held part is sent with, of its upload's algorithm: the store takes no other bytes. */
import type { UploadAlgorithm } from './multipart-upload.ts';

/** Of reflected CRCs that begin and end with all ones (CRC RevEng catalogue: CRC-32/ISCSI, CRC-64/NVME). */
const CRC32C_POLYNOMIAL = 0x82f63b78;
const CRC64NVME_POLYNOMIAL = '9a6c9329ac4bc9b5';

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
  const { createCRC32, createCRC64 } = await import('hash-wasm');
  const hasher =
    algorithm === 'CRC32C' ? await createCRC32(CRC32C_POLYNOMIAL) : await createCRC64(CRC64NVME_POLYNOMIAL);
  // One for all parts: nothing is awaited between its beginning and its end.
  return (bytes) => Buffer.from(hasher.init().update(bytes).digest('binary'));
}
