/**
 * What is in the buckets at rest, against what the tables say.
 *
 * 1. Every delivery of a succeeded job that no newer version superseded is there, byte for byte what was sent (or what the archive holds, for untransformed ones).
 * 2. A job delivered once: one version in all destinations carries its mark, and no version carries a mark of nobody.
 * 3. Every ended file is in the archive and gone from landing; a quarantined one, or a companion, is still in landing.
 * 4. No multipart upload is open.
 *
 * Which versions there are is listed at each check. What a version holds never changes, so each is read once for a fleet, however often
 * that is checked.
 */
import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import type { ListedVersion, ObjectAddress, VersionCursor } from '#shared/files/object-store.ts';
import { BUCKET_IDS } from '#shared/runtime/config/resource-names.ts';
import { JOB_METADATA } from '#shared/steps/job-metadata.ts';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import type { Violation } from './find-row-violations.ts';

export interface KnownFile {
  readonly sha256: string;
  readonly sizeBytes: number;
  /** False when a transform makes other bytes of it: then the delivery is not compared. */
  readonly isUntransformed?: boolean;
}

interface FindOptions {
  readonly known: ReadonlyMap<string, KnownFile>;
  readonly staying: ReadonlySet<string>;
}

interface FileRow {
  readonly id: string;
  readonly status: string;
  readonly jobs: number;
  readonly key: string;
  readonly versionId: string;
  readonly sizeBytes: number;
  readonly archive: { readonly bucket: string; readonly key: string; readonly versionId: string };
}

interface DeliveryRow extends ObjectAddress {
  readonly jobId: string;
  readonly fileId: string;
  readonly isTransformed: boolean;
}

const READS_AT_ONCE = 16;
const MOST_SHOWN = 5;
const DESTINATIONS = ['delivered', 'outbound'] as const;
/** What goes back to the sender of records carries its job's mark too, and is written again when a worker takes over. */
const REPORT = /^[^/]+\/(?:results|rejects)\//;

export async function findBucketViolations(fleet: TestFleet, options: FindOptions): Promise<Violation[]> {
  const [files, deliveries] = await Promise.all([findFiles(fleet), findDeliveries(fleet)]);
  const versions = await listBuckets(fleet, [
    ...(['landing', ...DESTINATIONS] as const).map(fleet.bucket),
    ...[...files.map(({ archive }) => archive), ...deliveries].map(({ bucket }) => bucket),
  ]);
  const found = [
    ...(await compareContents(fleet, { files, deliveries, versions, known: options.known })),
    ...(await compareMarks(fleet, { deliveries, versions })),
    ...compareLanding(versions.get(fleet.bucket('landing')) ?? new Map(), files, options.staying),
    ...(await findOpenUploads(fleet)),
  ];
  const byRule = Map.groupBy(found, ({ rule }) => rule);
  return [...byRule].map(([rule, each]) => ({ rule, rows: each.slice(0, MOST_SHOWN).map(({ row }) => row) }));
}

interface Found {
  readonly rule: string;
  readonly row: Record<string, unknown>;
}

async function findFiles({ sql }: TestFleet): Promise<FileRow[]> {
  return await sql<FileRow[]>`
    SELECT id, status, job_count AS jobs, key, version_id AS "versionId", size_bytes::float8 AS "sizeBytes",
      jsonb_build_object('bucket', archive_bucket, 'key', archive_key, 'versionId', archive_version_id) AS archive
    FROM files ORDER BY id`;
}

async function findDeliveries({ sql }: TestFleet): Promise<DeliveryRow[]> {
  return await sql<DeliveryRow[]>`
    SELECT j.id AS "jobId", j.file_id AS "fileId", s.output ->> 'bucket' AS bucket, s.output ->> 'key' AS key,
      s.output ->> 'versionId' AS "versionId",
      EXISTS (SELECT 1 FROM job_steps t WHERE t.job_id = j.id AND t.kind = 'transform') AS "isTransformed"
    FROM jobs j JOIN job_steps s ON s.job_id = j.id AND s.kind = 'deliver' AND s.state = 'SUCCEEDED'
      AND NOT s.output ? 'supersededBy'
    ORDER BY j.id`;
}

async function compareContents(
  fleet: TestFleet,
  parts: { files: FileRow[]; deliveries: DeliveryRow[]; versions: Versions; known: FindOptions['known'] },
): Promise<Found[]> {
  const { files, deliveries, versions, known } = parts;
  const limit = pLimit(READS_AT_ONCE);
  const digest = async (address: ObjectAddress) =>
    versions.get(address.bucket)?.get(identity(address))?.isDeleteMarker === false
      ? await limit(() => readOnce(digests, fleet, address, readDigest))
      : undefined;
  const deliveriesOf = Map.groupBy(deliveries, ({ fileId }) => fileId);
  const ended = files.filter(({ status, jobs }) => jobs > 0 && ['COMPLETED', 'FAILED', 'QUARANTINED'].includes(status));
  const found = ended.map(async (file): Promise<Found[]> => {
    const expected = known.get(file.key);
    const archived = await digest(file.archive);
    const row = { fileId: file.id, key: file.key, archived, expected };
    if (archived === undefined) return [{ rule: 'an ended file is in the archive', row }];
    const isTrue = archived.sizeBytes === file.sizeBytes && (expected === undefined || isSame(archived, expected));
    const faults: Found[] = isTrue ? [] : [{ rule: 'the archive holds the bytes that were sent', row }];
    for (const delivery of deliveriesOf.get(file.id) ?? []) {
      const delivered = await digest(delivery);
      const detail = { ...row, delivery, delivered };
      if (delivered === undefined) faults.push({ rule: 'a delivery is at its destination', row: detail });
      else if (!delivery.isTransformed && !isSame(delivered, archived))
        faults.push({ rule: 'a delivery has the bytes that were sent', row: detail });
    }
    return faults;
  });
  const missing = [...known.keys()]
    .filter((key) => !files.some((file) => file.key === key))
    .map((key) => ({ rule: 'every file that was sent is registered', row: { key } }));
  return [...(await Promise.all(found)).flat(), ...missing];
}

interface Digest {
  readonly sha256: string;
  readonly sizeBytes: number;
}

async function readDigest({ store }: TestFleet, { bucket, key, versionId }: ObjectAddress): Promise<Digest> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const piece of store.readStream({ bucket, key, versionId })) {
    hash.update(piece);
    sizeBytes += piece.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** Undefined when the version went after it was listed. */
async function readMark({ store }: TestFleet, { bucket, key, versionId }: ObjectAddress): Promise<string | undefined> {
  const head = await store.head({ bucket, key, versionId });
  return head === 'not-found' ? undefined : head.metadata[JOB_METADATA];
}

type Known<Value> = WeakMap<TestFleet, Map<string, Promise<Value>>>;
const digests: Known<Digest> = new WeakMap();
const marks: Known<string | undefined> = new WeakMap();

function readOnce<Value>(
  known: Known<Value>,
  fleet: TestFleet,
  address: ObjectAddress,
  read: (fleet: TestFleet, address: ObjectAddress) => Promise<Value>,
): Promise<Value> {
  const ofFleet = known.get(fleet) ?? new Map<string, Promise<Value>>();
  known.set(fleet, ofFleet);
  const place = `${address.bucket}\n${identity(address)}`;
  const value = ofFleet.get(place) ?? read(fleet, address);
  ofFleet.set(place, value);
  return value;
}

function isSame(one: Digest, other: Digest): boolean {
  return one.sha256 === other.sha256 && one.sizeBytes === other.sizeBytes;
}

/** The effect of a job is a version with its mark: one for each delivery that the tables know, and no other. */
async function compareMarks(
  fleet: TestFleet,
  { deliveries, versions }: { deliveries: readonly DeliveryRow[]; versions: Versions },
): Promise<Found[]> {
  const limit = pLimit(READS_AT_ONCE);
  const marked = new Map<string, string[]>();
  const buckets = new Set([...DESTINATIONS.map(fleet.bucket), ...deliveries.map(({ bucket }) => bucket)]);
  for (const bucket of buckets) {
    const objects = [...(versions.get(bucket)?.values() ?? [])].filter(
      ({ isDeleteMarker, key }) => !isDeleteMarker && !(bucket === fleet.bucket('outbound') && REPORT.test(key)),
    );
    const places = objects.map(async ({ key, versionId }) => {
      const job = await limit(() => readOnce(marks, fleet, { bucket, key, versionId }, readMark));
      return { job: job ?? 'nobody', place: `${bucket}/${key}?versionId=${versionId}` };
    });
    for (const { job, place } of await Promise.all(places)) marked.set(job, [...(marked.get(job) ?? []), place]);
  }
  const expected = new Map(
    [...Map.groupBy(deliveries, ({ jobId }) => jobId)].map(([jobId, each]) => [jobId, each.length]),
  );
  const wrong = [...new Set([...marked.keys(), ...expected.keys()])].filter(
    (jobId) => (marked.get(jobId)?.length ?? 0) !== (expected.get(jobId) ?? 0),
  );
  return wrong.map((jobId) => ({
    rule: 'a job delivered exactly once',
    row: { jobId, deliveries: expected.get(jobId) ?? 0, versions: marked.get(jobId) ?? [] },
  }));
}

function compareLanding(
  versions: ReadonlyMap<string, ListedVersion>,
  files: readonly FileRow[],
  staying: ReadonlySet<string>,
): Found[] {
  // A key that ends in `/` is how a directory that a partner made is kept.
  const objects = [...versions.values()].filter(
    ({ isDeleteMarker, key }) => !isDeleteMarker && !staying.has(key) && !key.endsWith('/'),
  );
  const standing = new Set(objects.map(identity));
  const quarantined = files.filter(
    ({ status, jobs }) => jobs === 0 && (status === 'QUARANTINED' || status === 'COMPANION' || status === 'ELSEWHERE'),
  );
  const mayStand = new Set(quarantined.map(identity));
  return [
    ...objects
      .filter((object) => !mayStand.has(identity(object)))
      .map((object) => ({ rule: 'only quarantined files are left in landing', row: { ...object } })),
    ...quarantined
      .filter((file) => !standing.has(identity(file)))
      .map((file) => ({ rule: 'a quarantined file is still in landing', row: { ...file } })),
  ];
}

async function findOpenUploads(fleet: TestFleet): Promise<Found[]> {
  const pages = BUCKET_IDS.map(async (id) => {
    const bucket = fleet.bucket(id);
    const { items } = await fleet.store.listMultipartUploads({ bucket });
    return items.map((upload) => ({ rule: 'no multipart upload is open', row: { bucket, ...upload } }));
  });
  return (await Promise.all(pages)).flat();
}

/** By bucket, and in it by key and version. */
type Versions = ReadonlyMap<string, ReadonlyMap<string, ListedVersion>>;

function identity({ key, versionId }: { readonly key: string; readonly versionId?: string | undefined }): string {
  return `${key}\n${versionId}`;
}

async function listBuckets(fleet: TestFleet, buckets: readonly string[]): Promise<Versions> {
  const named = [...new Set(buckets)].filter((bucket) => bucket);
  const listed = named.map(async (bucket) => {
    const versions = await listVersions(fleet, bucket);
    return [bucket, new Map(versions.map((version) => [identity(version), version]))] as const;
  });
  return new Map(await Promise.all(listed));
}

async function listVersions(fleet: TestFleet, bucket: string): Promise<ListedVersion[]> {
  const versions: ListedVersion[] = [];
  let after: VersionCursor | undefined;
  do {
    const page = await fleet.store.listVersions({ bucket, ...(after !== undefined && { after }) });
    versions.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return versions;
}
