import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';

const PART_BYTES = 5 * 1024 ** 2;
const directory = mkdtempSync(join(tmpdir(), 'longshore-cli-'));
const path = join(directory, 'big.bin');
const content = randomBytes(2 * PART_BYTES + 17);
let api: TestApi;
let s3: S3TestServer;
let longshore: ReturnType<typeof longshoreAt>;

beforeAll(async () => {
  writeFileSync(path, content);
  s3 = await startTestServer();
  s3.server.createBucket('test-landing');
  const store = { endpoint: s3.server.url, region: 'us-east-1', credentials: TEST_CREDENTIAL };
  api = await startTestApi({ s3: store, upload: { partBytes: PART_BYTES } });
  longshore = longshoreAt(await api.app.listen({ host: '127.0.0.1', port: 0 }), api.keys.acme);
});
afterAll(async () => {
  await api.stop();
  await s3.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('sends a file in parts once, and takes it back', async () => {
  const sent = await longshore('upload', path, '--to', 'inbound', '--json');
  const [upload] = JSON.parse(sent.out).uploads;
  expect([sent.code, upload.state, upload.path]).toEqual([0, 'completed', 'inbound/big.bin']);
  const again = await longshore('upload', path, '--to', 'inbound', '--json');
  expect(JSON.parse(again.out).uploads[0].file_id).toBe(upload.file_id);
  expect(await api.sql`SELECT 1 FROM files`).toHaveLength(1);

  const out = join(directory, 'back.bin');
  expect(await longshore('download', 'big.bin', '--out', out)).toMatchObject({ code: 0 });
  const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  expect(hash(readFileSync(out))).toBe(hash(content));
});

test('makes a link for somebody without a key', async () => {
  const { code, out } = await longshore('upload-link', '--to', 'desk', '--reason', 'CASE-7');
  expect([code, out.trim()]).toEqual([0, expect.stringMatching(/\/upload#[\w-]{43}$/)]);
});
