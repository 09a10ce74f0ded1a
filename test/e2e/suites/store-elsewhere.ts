/** An external store as an operator sees it: applied with its route, its secret put in place, small and large files delivered to it. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeSecret } from '#local/launcher/keys.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { makeFile } from '#testkit/seeds/known-files.ts';
import { untilFileEnded } from '#testkit/seeds/record-files.ts';
import { runLongshore } from '#testkit/servers/run-longshore.ts';
import { type S3TestServer, startTestServer } from '#testkit/servers/s3-server.ts';

const TENANT = 'sender';
const BUCKET = 'globex-inbox';
/** More than one part of an upload. */
const PARTS_BYTES = 6_000_001;
const ENDED_MS = 60_000;
const CREDENTIAL = { accessKeyId: 'ELSEWHERE', secretAccessKey: 'hush-of-elsewhere' };

export function storeElsewhere(running: () => TestFleet): void {
  let fleet: TestFleet;
  let far: S3TestServer;

  const definitionsOf = (buckets: string) => `kind: store
tenant: ${TENANT}
name: globex
endpoint: ${far.server.url}
pathStyle: true
credentials: globex-s3
buckets: ${buckets}
---
kind: route
tenant: ${TENANT}
name: out
match: { path: "out/**" }
retry: { maxAttempts: 50, firstDelay: 100ms, maxDelay: 400ms }
steps:
  - deliver: { store: globex, externalBucket: ${BUCKET}, key: "from-sender/{{ name }}" }
  - confirm:
`;

  beforeAll(async () => {
    far = await startTestServer({ credentials: [{ ...CREDENTIAL, name: 'far' }] });
    far.server.createBucket(BUCKET);
    fleet = running();
  });
  afterAll(() => far?.stop());

  const apply = (definitions: string) => runLongshore(fleet.home, ['apply', '-f', '-'], definitions);

  test('a store is applied with the route that names it, and every fault is told of', async () => {
    const refused = await apply(definitionsOf('[other-bucket]'));
    expect(refused.code).not.toBe(0);
    expect(refused.out + refused.err).toMatch(/store globex does not allow what this delivers/);
    expect(await apply(definitionsOf(`[${BUCKET}/from-sender/]`))).toMatchObject({
      code: 0,
      out: expect.stringMatching(/store +sender\/globex +1 +created/),
    });
    const lost = await apply(definitionsOf('[other-bucket]').split('---')[0] ?? '');
    expect(lost.out + lost.err).toMatch(/the route out delivers to globex-inbox\/from-sender/);
  });

  test('its files wait for the secret, and are delivered when it is there', async () => {
    const files = [makeFile('out/small.csv', 900), makeFile('out/large.bin', PARTS_BYTES)];
    for (const file of files) await fleet.put(`${TENANT}/${file.path}`, file.body);
    await fleet.waitUntil(
      'both were tried without a secret',
      async () =>
        (await fleet.sql`SELECT DISTINCT job_id FROM attempts WHERE cause = 'SECRET_UNAVAILABLE'`).length === 2,
      ENDED_MS,
    );
    const directory = join(fleet.home, 'keys', 'secrets', TENANT);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeSecret(join(directory, 'globex-s3'), JSON.stringify(CREDENTIAL));
    const client = createS3Client({
      LONGSHORE_S3_PATH_STYLE: true,
      endpoint: far.server.url,
      region: 'us-east-1',
      credentials: { ...CREDENTIAL },
    });
    const store = createObjectStore({ client });
    for (const { path, body } of files) {
      await untilFileEnded(fleet, `${TENANT}/${path}`, ENDED_MS);
      const pieces: Uint8Array[] = [];
      const key = `from-sender/${path.slice('out/'.length)}`;
      for await (const piece of store.readStream({ bucket: BUCKET, key })) pieces.push(piece);
      expect(Buffer.concat(pieces).equals(Buffer.from(body))).toBe(true);
    }
    const jobs = await fleet.sql`SELECT state, processed_by FROM jobs WHERE tenant_id = ${TENANT} ORDER BY is_large`;
    expect(jobs.map(({ state }) => state)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    expect((await store.listMultipartUploads({ bucket: BUCKET })).items).toEqual([]);
    client.destroy();
  });
}
