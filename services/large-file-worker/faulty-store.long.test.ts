/** The worker's process before a store that does everything wrong at once: each plan ends in a true delivery, made once, and leaves no upload. */
import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '#testkit/beds/job-runner.ts';
import { startWorkBed, type WorkBed } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { type S3Fault, type S3FaultProxy, startS3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';

const MAIN = new URL('main.ts', import.meta.url);
const PLANS = {
  'route-0': [{ deliver: { copy: 'server-side', key: '{{ tenant }}/server-side/{{ name }}' } }],
  'route-1': [{ deliver: { copy: 'streamed', key: '{{ tenant }}/streamed/{{ name }}' } }],
  'route-2': [{ transform: { ops: [{ gunzip: {} }] } }, { deliver: { key: '{{ tenant }}/unpacked/{{ name }}' } }],
};
const FILES = 2;

/** Of each operation the fault, and of how many requests one meets it: no two numbers have a factor in common. */
const FAULTS: Readonly<Record<string, readonly (readonly [nth: number, fault: S3Fault])[]>> = {
  GetObject: [
    [5, { type: 'truncated', bytes: 1_000_000 }],
    [9, { type: 'status', status: 503 }],
    [11, { type: 'reset' }],
    // A streamed copy is begun again by it, once it is all there.
    [17, { type: 'flipped-reply' }],
    [23, { type: 'stalled' }],
  ],
  UploadPart: [
    [7, { type: 'status', status: 500 }],
    [11, { type: 'lost-reply' }],
    [13, { type: 'reset' }],
    // What is of unknown length is begun again by each of these.
    [17, { type: 'flipped-request' }],
  ],
  UploadPartCopy: [
    [2, { type: 'error-in-200' }],
    [3, { type: 'status', status: 503 }],
    [5, { type: 'truncated', bytes: 50 }],
  ],
  CompleteMultipartUpload: [
    [2, { type: 'error-in-200' }],
    [3, { type: 'lost-reply' }],
    [5, { type: 'status', status: 500 }],
  ],
  HeadObject: [[4, { type: 'status', status: 503 }]],
  AbortMultipartUpload: [[2, { type: 'status', status: 503 }]],
};

let bed: WorkBed;
let proxy: S3FaultProxy;
const met = new Set<string>();

beforeAll(async () => {
  bed = await startWorkBed();
  proxy = await startS3FaultProxy(bed.s3Url);
  proxy.spoil(({ operation, count }) => {
    const [nth, fault] = FAULTS[operation]?.find(([every]) => count % every === 0) ?? [];
    if (fault !== undefined) met.add(`${operation} ${nth}`);
    return fault;
  });
  const retry = { maxAttempts: 100, firstDelay: 0, maxDelay: 0 };
  await seedRoutes(bed.sql, { routes: [['deliver'], ['deliver'], ['transform', 'deliver']], retry });
  for (const [name, steps] of Object.entries(PLANS))
    await bed.sql`
      UPDATE route_versions v SET definition = jsonb_set(definition, '{steps}', ${JSON.stringify(steps)}::text::jsonb)
      FROM routes r WHERE r.id = v.route_id AND r.name = ${name}`;
});

afterAll(async () => {
  await bed.stop();
  await proxy.stop();
});

test('files come whole, once, by every plan through a store that does everything wrong', async () => {
  const contents = Array.from({ length: FILES }, () => randomBytes(30_000_000));
  const bodies = contents.map((content) => gzipSync(content, { level: 0 }));
  const jobs = await bed.putFiles({ count: FILES, bodyOf: (index) => bodies[index] ?? Buffer.alloc(0), isLarge: true });
  expect(jobs).toHaveLength(FILES * 3);
  await bed.startWorker(MAIN, {
    AWS_ENDPOINT_URL_S3: proxy.url,
    LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: '6000000',
    LONGSHORE_TENANT_SHARE_PERCENT: '100',
    LONGSHORE_COPY_STALL_MS: '1000',
    LONGSHORE_LEASE_MS: '30000',
  });
  await bed.wakeUps.sendJobs(jobs);
  await until(async () => {
    await bed.sweep();
    // An archive copy that failed is in no hurry; the test is.
    await bed.sql`UPDATE files SET next_action_at = now() WHERE open_jobs = 0 AND next_action_at > now()`;
    return (await bed.sql`SELECT 1 FROM files WHERE status = 'COMPLETED'`).length === FILES;
  }, 90_000);

  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const sent = { packed: bodies.map(sha256).sort(), unpacked: contents.map(sha256).sort() };
  const deliveries = await bed.sql<
    { key: string }[]
  >`SELECT output ->> 'key' AS key FROM job_steps WHERE kind = 'deliver'`;
  const delivered = async (folder: string) => {
    const keys = deliveries.map(({ key }) => key).filter((key) => key.startsWith(`acme/${folder}/`));
    return (await Promise.all(keys.map(async (key) => sha256(await bed.readObject('delivered', key))))).sort();
  };
  expect(await delivered('server-side')).toEqual(sent.packed);
  expect(await delivered('streamed')).toEqual(sent.packed);
  expect(await delivered('unpacked')).toEqual(sent.unpacked);
  expect(await bed.countVersions('delivered')).toBe(FILES * 3);
  expect(await bed.countVersions('archive')).toBe(FILES);
  const open = await bed.sql`SELECT 1 FROM transfers WHERE state NOT IN ('DONE', 'ABORTED')`;
  expect(open).toHaveLength(0);
  const violations = await findRowViolations(bed.sql, { isAtRest: true });
  expect(violations.filter(({ rule }) => rule !== 'every event left the outbox')).toEqual([]);
  // The faults that matter most were met.
  for (const fault of [
    'GetObject 5',
    'GetObject 17',
    'UploadPart 17',
    'UploadPartCopy 2',
    'CompleteMultipartUpload 2',
    'CompleteMultipartUpload 3',
  ])
    expect(met).toContain(fault);
}, 240_000);
