import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPresigner } from '#shared/files/s3-client.ts';
import { createSentUploads } from '#shared/files/sent-uploads.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';

const PORTAL = 'https://portal.example';
let s3: S3TestServer;
let url: string;
let headers: Readonly<Record<string, string>>;

beforeAll(async () => {
  s3 = await startTestServer({ origins: [PORTAL] });
  s3.server.createBucket('bucket');
  const access = { endpoint: s3.server.url, region: 'us-east-1', credentials: TEST_CREDENTIAL };
  const presigner = createPresigner({ ...access, LONGSHORE_S3_PATH_STYLE: true });
  const target = { bucket: 'bucket', key: 'x' };
  ({ url, headers } = await createSentUploads(s3.client, presigner).presignPut({ target, metadata: {}, sizeBytes: 2 }));
});
afterAll(() => s3.stop());

const preflight = async (origin: string, method: string, asked: string) => {
  const response = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': asked },
  });
  return [response.status, response.headers.get('access-control-allow-origin')];
};

test('a page of a listed origin may ask, for what an upload needs', async () => {
  expect(await preflight(PORTAL, 'PUT', 'content-type, x-amz-checksum-crc64nvme')).toEqual([200, PORTAL]);
  expect(await preflight(PORTAL, 'DELETE', '')).toEqual([403, null]);
  expect(await preflight(PORTAL, 'PUT', 'authorization')).toEqual([403, null]);
  for (const origin of ['https://evil.example', 'https://portal.example.evil', 'null'])
    expect(await preflight(origin, 'PUT', '')).toEqual([403, null]);
});

test('answers and errors are shown to listed origins only, and take a signature as ever', async () => {
  const put = async (origin: string, to: string) => {
    const response = await fetch(to, { method: 'PUT', headers: { ...headers, origin }, body: 'ab' });
    return [response.status, response.headers.get('access-control-allow-origin')];
  };
  expect(await put(PORTAL, url)).toEqual([200, PORTAL]);
  expect(await put('https://evil.example', url)).toEqual([200, null]);
  expect(await put(PORTAL, url.split('?')[0]!)).toEqual([403, PORTAL]);
  const { $metadata } = await s3.client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'y', Body: 'z' }));
  expect($metadata.httpStatusCode).toBe(200);
});
