import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createS3Client } from './s3-client.ts';

const MOST = 5;
const object = { Bucket: 'b', Key: 'k' };

let client: S3Client;
let answer: (response: ServerResponse) => void;
let underWay: number;
let most: number;
let close: () => Promise<unknown>;

beforeEach(async () => {
  [underWay, most] = [0, 0];
  const server = createServer((_request, response) => {
    underWay += 1;
    most = Math.max(most, underWay);
    response.on('close', () => {
      underWay -= 1;
    });
    answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = createS3Client({
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxRequests: MOST,
    maxAttempts: 1,
  });
  close = async () => {
    client.destroy();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
});
afterEach(() => close());

test('requests that wait for others of the same client do not fail, however long they wait', async () => {
  // The last ones wait longer than the 3 s in which a connection has to be made.
  answer = (response) => void setTimeout(() => response.end(), 900);
  const ends = await Promise.allSettled(
    Array.from({ length: 6 * MOST }, () => client.send(new HeadObjectCommand(object))),
  );
  expect(ends.filter(({ status }) => status === 'rejected')).toEqual([]);
  expect(most).toBe(MOST);
});

test('bodies that nobody reads hold no request back', async () => {
  answer = (response) => void response.writeHead(200, { 'content-length': 1_000_000 }).write('x');
  for (let got = 0; got < 2 * MOST; got += 1) await client.send(new GetObjectCommand(object));
  answer = (response) => void response.end();
  await client.send(new HeadObjectCommand(object));
  expect(underWay).toBeGreaterThanOrEqual(2 * MOST);
});
