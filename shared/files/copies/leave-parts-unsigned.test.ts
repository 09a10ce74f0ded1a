import { createHash } from 'node:crypto';
import { PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { expect, it } from 'vitest';
import { leavePartsUnsigned } from './leave-parts-unsigned.ts';

const Body = Buffer.from('a part');
const SIGNED = createHash('sha256').update(Body).digest('hex');
const object = { Bucket: 'there', Key: 'file', Body };
const part = { ...object, UploadId: 'upload', PartNumber: 1 };
const ChecksumCRC32 = 'MZLQ+A==';

it.each([
  ['a part with its checksum over TLS', 'https://s3.example', new UploadPartCommand({ ...part, ChecksumCRC32 }), false],
  ['a part with its checksum here', 'http://127.0.0.1:9', new UploadPartCommand({ ...part, ChecksumCRC32 }), false],
  ['a part with its checksum in clear', 'http://10.0.0.1', new UploadPartCommand({ ...part, ChecksumCRC32 }), true],
  ['a part without a checksum', 'https://s3.example', new UploadPartCommand(part), true],
  ['an object', 'https://s3.example', new PutObjectCommand({ ...object, ChecksumCRC32 }), true],
])('%s is signed over its bytes as it must be', async (_what, endpoint, command, isSigned) => {
  const hashes: (string | undefined)[] = [];
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: {
      handle: (request: { headers: Record<string, string> }) => {
        hashes.push(request.headers['x-amz-content-sha256']);
        return Promise.reject(new Error('not sent'));
      },
    } as never,
  });
  leavePartsUnsigned(client);
  await expect(client.send(command as UploadPartCommand)).rejects.toThrow('not sent');
  expect(hashes).toEqual([isSigned ? SIGNED : 'UNSIGNED-PAYLOAD']);
});
