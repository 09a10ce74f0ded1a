/**
 * What is in the buckets at rest, against what the tables say.
 *
 * 1. Every delivery of a succeeded job that no newer version superseded is there, byte for byte what was sent (or what the archive holds, for untransformed ones).
 * 2. A job delivered once: one version in all destinations carries its mark, and no version carries a mark of nobody.
 * 3. Every ended file is in the archive and gone from landing; a quarantined one, or a companion, is still in landing.
 * 4. No multipart upload is open.
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
  const found = [
    ...(await compareContents(fleet, { files, deliveries, known: options.known })),
    ...(await compareMarks(fleet, deliveries)),
    ...(await compareLanding(fleet, files, options.staying)),
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
  { files, deliveries, known }: { files: FileRow[]; deliveries: DeliveryRow[]; known: FindOptions['known'] },
): Promise<Found[]> {
  const limit = pLimit(READS_AT_ONCE);
  const deliveriesOf = Map.groupBy(deliveries, ({ fileId }) => fileId);
  const ended = files.filter(({ status, jobs }) => jobs > 0 && ['COMPLETED', 'FAILED', 'QUARANTINED'].includes(status));
  const found = ended.map(async (file): Promise<Found[]> => {
    const expected = known.get(file.key);
    const archived = await limit(() => digest(fleet, file.archive));
    const row = { fileId: file.id, key: file.key, archived, expected };
    if (archived === undefined) return [{ rule: 'an ended file is in the archive', row }];
    const isTrue = archived.sizeBytes === file.sizeBytes && (expected === undefined || isSame(archived, expected));
    const faults: Found[] = isTrue ? [] : [{ rule: 'the archive holds the bytes that were sent', row }];
    for (const delivery of deliveriesOf.get(file.id) ?? []) {
      const delivered = await limit(() => digest(fleet, delivery));
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

/** Undefined when the object is not there. */
async function digest({ store }: TestFleet, { bucket, key, versionId }: ObjectAddress): Promise<Digest | undefined> {
  const address = { bucket, key, versionId };
  if (!bucket || (await store.head(address)) === 'not-found') return undefined;
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const piece of store.readStream(address)) {
    hash.update(piece);
    sizeBytes += piece.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

function isSame(one: Digest, other: Digest): boolean {
  return one.sha256 === other.sha256 && one.sizeBytes === other.sizeBytes;
}

/** The effect of a job is a version with its mark: one for each delivery that the tables know, and no other. */
async function compareMarks(fleet: TestFleet, deliveries: readonly DeliveryRow[]): Promise<Found[]> {
  const limit = pLimit(READS_AT_ONCE);
  const marked = new Map<string, string[]>();
  const buckets = new Set([...DESTINATIONS.map(fleet.bucket), ...deliveries.map(({ bucket }) => bucket)]);
  for (const bucket of buckets) {
    const versions = (await listVersions(fleet, bucket)).filter(
      ({ isDeleteMarker, key }) => !isDeleteMarker && !(bucket === fleet.bucket('outbound') && REPORT.test(key)),
    );
    const marks = versions.map(async ({ key, versionId }) => {
      const head = await limit(() => fleet.store.head({ bucket, key, versionId }));
      const job = head === 'not-found' ? undefined : head.metadata[JOB_METADATA];
      return { job: job ?? 'nobody', place: `${bucket}/${key}?versionId=${versionId}` };
    });
    for (const { job, place } of await Promise.all(marks)) marked.set(job, [...(marked.get(job) ?? []), place]);
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

async function compareLanding(
  fleet: TestFleet,
  files: readonly FileRow[],
  staying: ReadonlySet<string>,
): Promise<Found[]> {
  const versions = await listVersions(fleet, fleet.bucket('landing'));
  // A key that ends in `/` is how a directory that a partner made is kept.
  const objects = versions.filter(
    ({ isDeleteMarker, key }) => !isDeleteMarker && !staying.has(key) && !key.endsWith('/'),
  );
  const identity = ({ key, versionId }: { key: string; versionId: string }) => `${key}\n${versionId}`;
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
