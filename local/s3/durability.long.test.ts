import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEventJournal } from '#local/s3/event-journal.ts';
import { createTestClient, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';

const Bucket = 'landing';
const LARGE_BYTES = 300_000;

describe('a server process', () => {
  let home: string;
  let child: TestProcess | undefined;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'longshore-s3-process-'));
    writeFileSync(join(home, 'credentials.json'), JSON.stringify([TEST_CREDENTIAL]));
  });
  afterEach(async () => {
    await child?.end('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  });

  async function start(): Promise<{ client: S3Client; process: TestProcess }> {
    const started = startProcess([join(import.meta.dirname, 'main.ts')], {
      env: {
        LONGSHORE_S3_DIRECTORY: join(home, 'data'),
        LONGSHORE_S3_PORT: '0',
        LONGSHORE_S3_CREDENTIALS_FILE: join(home, 'credentials.json'),
        LONGSHORE_S3_EVENT_BUCKETS: Bucket,
      },
    });
    child = started;
    const [, url] = await started.untilLine(/"url":"([^"]+)"/);
    return { client: createTestClient(url!), process: started };
  }

  it('killed among puts shows each object whole or not at all, every acknowledged one, each with its event', async () => {
    const acknowledged = new Set<string>();
    for (let round = 0; round < 3; round++) {
      const { client, process: running } = await start();
      let isKilled = false;
      const write = async (writer: number) => {
        for (let index = 0; !isKilled && index < 10_000; index++) {
          const Key = `${round}/${writer}/${index}`;
          // The body tells its own length and origin, so that a piece of it, or of another, would be seen.
          const Body = Key.padEnd(writer % 2 === 0 ? 4096 : LARGE_BYTES, Key);
          const { VersionId } = await client.send(new PutObjectCommand({ Bucket, Key, Body }));
          acknowledged.add(`${Key} ${VersionId}`);
        }
      };
      const before = acknowledged.size;
      const writers = Promise.allSettled([0, 1, 2, 3].map(write));
      await expect.poll(() => acknowledged.size - before, { interval: 1 }).toBeGreaterThan(20 + round);
      await running.end('SIGKILL');
      isKilled = true;
      await writers;
      client.destroy();
    }

    const { client } = await start();
    const found = new Set<string>();
    let page = await client.send(new ListObjectVersionsCommand({ Bucket }));
    while (true) {
      for (const { Key, VersionId } of page.Versions ?? []) found.add(`${Key} ${VersionId}`);
      if (!page.IsTruncated) break;
      const KeyMarker = page.NextKeyMarker!;
      page = await client.send(
        new ListObjectVersionsCommand({ Bucket, KeyMarker, VersionIdMarker: page.NextVersionIdMarker! }),
      );
    }
    expect([...acknowledged].filter((name) => !found.has(name))).toEqual([]);
    for (const name of found) {
      const Key = name.split(' ')[0]!;
      const reply = await client.send(new GetObjectCommand({ Bucket, Key }));
      const size = Number(Key.split('/')[1]) % 2 === 0 ? 4096 : LARGE_BYTES;
      expect(await reply.Body?.transformToString()).toBe(Key.padEnd(size, Key));
    }
    const journal = openEventJournal(join(home, 'data'));
    const events = journal.read(100_000).map(({ key, versionId }) => `${key} ${versionId}`);
    journal.close();
    expect(new Set(events)).toEqual(found);
    expect(events).toHaveLength(found.size);

    const files = await readdir(join(home, 'data', 'bodies'), { recursive: true });
    const large = [...found].filter((name) => Number(name.split('/')[1]) % 2 === 1);
    expect(files.filter((name) => name.includes('/'))).toHaveLength(large.length);
    client.destroy();
  });

  it('goes on with a multipart upload that was begun before it was killed', async () => {
    const before = await start();
    const Key = 'resumed';
    const { UploadId } = await before.client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const bodies = [randomBytes(5 * 1024 * 1024), randomBytes(100)];
    const part = (client: S3Client, PartNumber: number) =>
      client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: bodies[PartNumber - 1]! }));
    const first = await part(before.client, 1);
    await before.process.end('SIGKILL');
    before.client.destroy();
    const { client } = await start();
    const second = await part(client, 2);
    const Parts = [first, second].map(({ ETag }, index) => ({ ETag, PartNumber: index + 1 }));
    await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } as never }),
    );
    const reply = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(Buffer.concat(bodies).equals(await reply.Body!.transformToByteArray())).toBe(true);
    client.destroy();
  });

  it('ends with 0 on SIGTERM, also with clients connected', async () => {
    const { client, process: running } = await start();
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
    expect(await running.end('SIGTERM')).toEqual({ code: 0, signal: null });
    client.destroy();
  });
});
