/**
 * Large files through the whole fleet, with the threshold that everybody has: who carries which size, by each plan, byte for byte, and what
 * the worker holds in memory meanwhile.
 *
 * The largest has 3 GB. Sources are composed by the store and server-side copies are the store's, so only streamed bytes are written.
 */
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashObject } from '#shared/files/copies/verify-copy.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectChecksum } from '#shared/files/object-checksum.ts';
import { createPartClient } from '#shared/files/s3-client.ts';
import { BUCKET_IDS } from '#shared/runtime/config/resource-names.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import type { KnownFile } from '#testkit/checks/find-bucket-violations.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { MOST_WORKER_RSS_BYTES, peakRssBytes } from '#testkit/checks/peak-rss.ts';
import { composeObject, hashSlices, type Slice, slicesOf } from '#testkit/seeds/compose-object.ts';

const TENANT = 'acme';
const MIB = 1024 ** 2;
const THRESHOLD = 524_288_000;
/** 8 parts of a server-side copy, and a whole number of the parts of a streamed one. */
const WHOLE_PARTS = 512 * MIB;
const LARGEST = 3_000_000_000;
const ENDED_MS = 240_000;

const ROUTES = `
kind: route
tenant: ${TENANT}
name: plain
match: { path: "{plain,both}/**" }
steps: [{ deliver: {} }, { confirm: }]
---
kind: route
tenant: ${TENANT}
name: streamed
match: { path: "both/**" }
steps: [{ deliver: { copy: streamed, key: "{{ tenant }}/streamed/{{ name }}" } }]
---
kind: route
tenant: ${TENANT}
name: packed
match: { path: "packed/**" }
steps: [{ transform: { ops: [{ gunzip: }] } }, { deliver: {} }]
`;

let fleet: TestFleet;
/** Large enough for a piece of 48 MiB to begin at many places. */
const bytes = randomBytes(80 * MIB);
const known = new Map<string, KnownFile>();

beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: [TENANT],
    routes: ROUTES,
    env: {
      // A machine that is busy with copies must not cost them their jobs.
      all: { LONGSHORE_LEASE_MS: '30000' },
      'large-file-worker': { LONGSHORE_TENANT_SHARE_PERCENT: '100' },
    },
  });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

async function land(path: string, sizeBytes: number): Promise<void> {
  const key = `${TENANT}/${path}`;
  const slices = slicesOf(bytes, sizeBytes);
  known.set(key, { sha256: hashSlices(bytes, slices), sizeBytes });
  if (sizeBytes <= 6 * MIB) await fleet.put(key, bytes.subarray(0, sizeBytes));
  else await compose(key, bytes, slices);
}

async function compose(key: string, of: Buffer, slices: readonly Slice[]): Promise<void> {
  const target = { bucket: fleet.bucket('landing'), key };
  await composeObject({ s3: fleet.s3, target, workBucket: fleet.bucket('staging'), bytes: of, slices });
}

interface Carried {
  readonly route: string;
  readonly state: string;
  readonly processedBy: string;
  readonly output: {
    readonly copy: { readonly plan: string; readonly parts?: number; readonly proof: string; readonly sha256?: string };
    readonly sizeBytes: number;
  };
}

async function carriedOf(path: string): Promise<Carried[]> {
  return await fleet.sql<Carried[]>`
    SELECT r.name AS route, j.state, j.processed_by AS "processedBy", s.output
    FROM jobs j JOIN files f ON f.id = j.file_id JOIN routes r ON r.id = j.route_id
      JOIN job_steps s ON s.job_id = j.id AND s.kind = 'deliver'
    WHERE f.key = ${`${TENANT}/${path}`} ORDER BY 1`;
}

/** By plan: those of a whole file in parts, of 64 MiB where the store copies and of 8 MiB where the worker does. */
const partsOf = (sizeBytes: number, partBytes: number) => Math.ceil(sizeBytes / partBytes);

test('a file of 524288000 bytes is small and one of a byte more is large, and the status says who carried it', async () => {
  const paths = ['plain/exactly.bin', 'plain/more.bin'] as const;
  await land(paths[0], THRESHOLD);
  await land(paths[1], THRESHOLD + 1);
  await fleet.untilAllEnded(2, ENDED_MS);
  const replies = await Promise.all(paths.map((path) => fleet.api(`/status?file_id=${path}`)));
  expect(replies.map(({ body }) => body)).toMatchObject([
    { status: 'completed', processed_by: 'partner-worker', file_size: THRESHOLD },
    { status: 'completed', processed_by: 'large-file-worker', file_size: THRESHOLD + 1 },
  ]);
  expect((await carriedOf(paths[0])).map(({ output }) => output.copy.plan)).toEqual(['one-request']);
  expect((await carriedOf(paths[1])).map(({ output }) => output.copy)).toMatchObject([
    { plan: 'server-side', parts: 8, proof: 'CRC64NVME' },
  ]);
}, 300_000);

test('files from nothing to 3 GB, four large ones side by side, come whole by every plan, in flat memory', async () => {
  const packed = packedFile();
  await compose(`${TENANT}/packed/members.bin.gz`, packed.bytes, packed.slices);
  const large = [LARGEST, WHOLE_PARTS + 1, WHOLE_PARTS];
  for (const size of large) await land(`both/${size}.bin`, size);
  const small = [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1];
  for (const size of small) await land(`both/${size}.bin`, size);
  await fleet.untilAllEnded(2 + 1 + large.length + small.length, ENDED_MS);

  for (const size of small) {
    const carried = await carriedOf(`both/${size}.bin`);
    expect(carried.map(({ processedBy, output }) => [processedBy, output.sizeBytes])).toEqual([
      ['partner-worker', size],
      ['partner-worker', size],
    ]);
  }
  for (const size of large) {
    const sha256 = known.get(`${TENANT}/both/${size}.bin`)?.sha256;
    expect(await carriedOf(`both/${size}.bin`)).toMatchObject([
      {
        route: 'plain',
        processedBy: 'large-file-worker',
        output: { copy: { plan: 'server-side', parts: partsOf(size, 64 * MIB), proof: 'CRC64NVME' } },
      },
      {
        route: 'streamed',
        processedBy: 'large-file-worker',
        output: { copy: { plan: 'streamed', parts: partsOf(size, 8 * MIB), proof: 'CRC64NVME', sha256 } },
      },
    ]);
  }
  const [unpacked] = await fleet.sql<{ sha256: string; service: string }[]>`
    SELECT s.output ->> 'sha256' AS sha256, split_part(a.worker, '/', 1) AS service
    FROM job_steps s JOIN attempts a ON a.job_id = s.job_id AND a.step_kind = s.kind WHERE s.kind = 'transform'`;
  expect(unpacked).toEqual({ sha256: packed.sha256, service: 'large-file-worker' });
  const [delivered] = await carriedOf('packed/members.bin.gz');
  expect(delivered).toMatchObject({ state: 'SUCCEEDED', output: { copy: { proof: 'CRC64NVME' } } });

  expect(await mostAtOnce()).toBeGreaterThanOrEqual(4);
  const worker = fleet.stack.processes['large-file-worker'];
  if (process.platform === 'linux') expect(await peakRssBytes(worker?.pid)).toBeLessThanOrEqual(MOST_WORKER_RSS_BYTES);
}, 400_000);

test('and what was delivered has the bytes that were sent, and the archive their checksum; no upload is open', async () => {
  const { endpoints, env } = fleet.stack;
  // Hashes what it reads; the checksums that other clients compute too would take longer than all the rest.
  const client = createPartClient({
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: endpoints.s3,
    region: env.AWS_REGION ?? '',
    credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' },
    stallMs: 60_000,
  });
  const store = createObjectStore({ client });
  const deliveries = await fleet.sql<Delivered[]>`
    SELECT f.key AS "fileKey", s.output ->> 'bucket' AS bucket, s.output ->> 'key' AS key, s.output -> 'checksum' AS checksum,
      s.output #>> '{copy,plan}' AS plan, f.archive_bucket AS "archiveBucket", f.archive_key AS "archiveKey"
    FROM jobs j JOIN files f ON f.id = j.file_id JOIN job_steps s ON s.job_id = j.id AND s.kind = 'deliver'
    WHERE f.key LIKE ${`${TENANT}/plain/%`} OR f.key LIKE ${`${TENANT}/both/%`}`;
  expect(deliveries).toHaveLength(2 * known.size - 2);
  for (const { fileKey, bucket, key, checksum, plan, archiveBucket, archiveKey } of deliveries) {
    const { sha256, sizeBytes } = known.get(fileKey) ?? {};
    expect(await store.head({ bucket: archiveBucket, key: archiveKey })).toMatchObject({
      sizeBytes,
      checksums: [checksum],
    });
    // What the store copied on its own without a word of ours in between is read in its largest file alone.
    if (plan === 'server-side' && sizeBytes !== LARGEST) continue;
    expect([fileKey, plan, await hashObject(store, { bucket, key })]).toEqual([fileKey, plan, sha256]);
  }
  client.destroy();
  for (const id of BUCKET_IDS)
    expect((await fleet.store.listMultipartUploads({ bucket: fleet.bucket(id) })).items).toEqual([]);
  await expect.poll(() => findRowViolations(fleet.sql, { isAtRest: true })).toEqual([]);
}, 240_000);

interface Delivered {
  readonly fileKey: string;
  readonly bucket: string;
  readonly key: string;
  readonly checksum: ObjectChecksum;
  readonly plan: string;
  readonly archiveBucket: string;
  readonly archiveKey: string;
}

/** Two members of gzip in their own order, together over the threshold; unpacked they are of no known length. */
function packedFile(): { bytes: Buffer; slices: Slice[]; sha256: string } {
  const contents = [bytes.subarray(0, 40 * MIB), bytes.subarray(40 * MIB)];
  const members = contents.map((content) => gzipSync(content, { level: 0 }));
  const order = [0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0];
  const starts = [0, members[0]?.length ?? 0];
  return {
    bytes: Buffer.concat(members),
    slices: order.map((member) => ({ offset: starts[member] ?? 0, length: members[member]?.length ?? 0 })),
    sha256: hashSlices(
      bytes,
      order.map((member) => ({ offset: member * 40 * MIB, length: 40 * MIB })),
    ),
  };
}

/** Steps of large files, by the times between which they ran. */
async function mostAtOnce(): Promise<number> {
  const [row] = await fleet.sql<{ most: number }[]>`
    WITH moved AS (
      SELECT s.started_at, s.finished_at FROM job_steps s JOIN jobs j ON j.id = s.job_id
      WHERE j.is_large AND s.kind IN ('deliver', 'transform'))
    SELECT max(running)::int AS most FROM (
      SELECT (SELECT count(*) FROM moved other WHERE other.started_at <= one.started_at AND other.finished_at > one.started_at) AS running
      FROM moved one) counted`;
  return row?.most ?? 0;
}
