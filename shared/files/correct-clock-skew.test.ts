/** A store whose clock and ours are hours apart, or were until a moment ago. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { storeCall } from './classify-store-error.ts';
import { createPartClient, createS3Client } from './s3-client.ts';

const HOUR_MS = 3_600_000;
let aheadMs = 0;
const server = createServer((request, response) => {
  const now = Date.now() + aheadMs;
  response.setHeader('date', new Date(now).toUTCString());
  const signedAt = String(request.headers['x-amz-date']).replace(/^(....)(..)(.{5})(..)/, '$1-$2-$3:$4:');
  request.resume().once('end', () => {
    response.statusCode = Math.abs(Date.parse(signedAt) - now) > HOUR_MS / 4 ? 403 : 200;
    response.end();
  });
});
let config: Parameters<typeof createS3Client>[0];
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  config = {
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'A', secretAccessKey: 'a-secret-for-tests' },
  };
});
afterAll(() => void server.close());

const at = { Bucket: 'landing', Key: 'a' };

test.each([
  ['a HEAD', () => new HeadObjectCommand(at)],
  ['a PUT', () => new PutObjectCommand({ ...at, Body: 'x' })],
])('%s is repeated by the store’s clock, whenever one of the two jumps', async (_what, command) => {
  const client = createS3Client(config);
  for (const hours of [0, 3, -26, 0, 24 * 400, 0]) {
    aheadMs = hours * HOUR_MS;
    await expect(client.send(command() as HeadObjectCommand)).resolves.toMatchObject({
      $metadata: { httpStatusCode: 200 },
    });
  }
  client.destroy();
});

test('a client that repeats nothing says that another try may do', async () => {
  aheadMs = 0;
  const client = createPartClient({ ...config, stallMs: 10_000 });
  for (const hours of [3, 0]) {
    aheadMs = hours * HOUR_MS;
    const head = () => storeCall('look', undefined, () => client.send(new HeadObjectCommand(at)));
    await expect(head()).rejects.toMatchObject({ fault: 'unavailable' });
    await expect(head()).resolves.toBeDefined();
  }
  client.destroy();
});
