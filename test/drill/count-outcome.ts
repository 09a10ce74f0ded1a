/**
 * What happened to everything that was sent, seen from the home that leads: rows, objects byte for byte, and the partner's ledger.
 *
 * 1. Delivered: a file of that key is completed, and the objects that its row names, at the destination and in the archive, have the bytes
 *    that were sent. A file of records has ended, each of its records with an outcome, and its original is in the archive.
 * 2. Missing: acknowledged, and not delivered here. It is explained where an object of it had not reached this home when the other was
 *    lost, or where its job waits for one, and lost where it is not.
 * 3. Twice: a version at the destination that no row names, or a second effect of a record at the partner. Repeated: such a version that
 *    came with the return of the lost home, which had delivered the file in its last moments.
 * 4. Misjudged: a record whose row says success and of which the partner did not carry out each call, or whose row says failure of a call that
 *    the partner carried out. What is not known is neither: it is AMBIGUOUS.
 */
import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import type { UnreplicatedVersion } from '#local/s3/replication-queue.ts';
import type { ListedVersion, ObjectStore, VersionCursor } from '#shared/files/object-store.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import type { SimulatedPartner } from '#testkit/servers/simulated-partner.ts';
import type { ConnectedHome } from './connect-home.ts';
import { CALLS } from './drill-plan.ts';
import { findAwaiting } from './find-awaiting.ts';
import type { SentFile } from './send-load.ts';

export interface DrillOutcome {
  readonly acknowledged: number;
  readonly delivered: number;
  /** Keys, and what their rows say. */
  readonly missing: readonly string[];
  readonly lost: readonly string[];
  readonly twice: readonly string[];
  readonly misjudged: readonly string[];
  /** Deliveries that the lost home had made and not copied, and that this one made too: older versions with the same key. */
  readonly repeated: number;
  readonly ambiguous: number;
  /** Of records at the partner. */
  readonly effects: number;
}

interface FileRow {
  readonly key: string;
  readonly versionId: string;
  readonly status: string;
  readonly code: string | null;
  readonly cause: string | null;
  readonly archive: { readonly bucket: string; readonly key: string; readonly versionId: string } | null;
  readonly delivery: { readonly bucket: string; readonly key: string; readonly versionId: string } | null;
  readonly records: number;
  readonly openRecords: number;
}

export interface CountOptions {
  readonly home: ConnectedHome;
  readonly partner: SimulatedPartner;
  readonly sent: readonly SentFile[];
  /** What the lost home had not copied, by `bucket/key/version` with the buckets' names in rows. */
  readonly unreplicated: ReadonlySet<string>;
}

const READS_AT_ONCE = 16;
const ENDED = new Set(['COMPLETED', 'FAILED']);

export function unreplicatedNames(versions: readonly UnreplicatedVersion[]): Set<string> {
  return new Set(versions.map(({ bucket, key, versionId }) => nameOf({ bucket, key, versionId })));
}

export async function countOutcome({ home, partner, sent, unreplicated }: CountOptions): Promise<DrillOutcome> {
  const rows = Map.groupBy(await findFiles(home), ({ key }) => key);
  const limit = pLimit(READS_AT_ONCE);
  const acknowledged = sent.filter(({ acknowledgedAt }) => acknowledgedAt !== undefined);
  const delivered = await Promise.all(
    acknowledged.map((file) => limit(() => isDelivered(home.store, file, rows.get(file.key) ?? []))),
  );
  const missing = acknowledged.filter((_, index) => delivered[index] === false).map(({ key }) => key);
  const described = (key: string) =>
    [key, ...(rows.get(key) ?? []).map(({ status, code, cause }) => `${status} ${code ?? ''} ${cause ?? ''}`)].join(
      ': ',
    );
  const unreplicatedKeys = new Set([...unreplicated].map((name) => JSON.parse(name)[1] as string));
  const awaiting = await findAwaiting(home.sql);
  const isExplained = (key: string) =>
    unreplicatedKeys.has(key) ||
    awaiting.has(key) ||
    (rows.get(key) ?? []).some(({ archive, delivery }) =>
      [archive, delivery].some((place) => place !== null && unreplicated.has(nameOf(place))),
    );
  const { effects, repeated: repeatedEffects } = await findEffects(partner, sent);
  const unnamed = await findUnnamedDeliveries(home, [...rows.values()].flat(), unreplicated);
  return {
    acknowledged: acknowledged.length,
    delivered: acknowledged.length - missing.length,
    missing: missing.map(described),
    lost: missing.filter((key) => !isExplained(key)).map(described),
    twice: [...unnamed.twice, ...repeatedEffects],
    misjudged: await findMisjudged(home, partner),
    repeated: unnamed.repeated,
    ambiguous: await countAmbiguous(home),
    effects,
  };
}

function nameOf({ bucket, key, versionId }: { bucket: string; key: string; versionId: string }): string {
  return JSON.stringify([bucket, key, versionId]);
}

async function findFiles({ sql }: ConnectedHome): Promise<FileRow[]> {
  return await sql<FileRow[]>`
    SELECT f.key, f.version_id AS "versionId", f.status, f.error_code AS code, f.error_cause AS cause,
      CASE WHEN f.archive_key IS NOT NULL THEN
        jsonb_build_object('bucket', f.archive_bucket, 'key', f.archive_key, 'versionId', f.archive_version_id) END AS archive,
      (SELECT s.output FROM jobs j JOIN job_steps s ON s.job_id = j.id AND s.kind = 'deliver' AND s.state = 'SUCCEEDED'
        WHERE j.file_id = f.id LIMIT 1) AS delivery,
      r.all AS records, r.open AS "openRecords"
    FROM files f CROSS JOIN LATERAL (
      SELECT count(*)::int AS all, count(*) FILTER (WHERE r.state IN ('PENDING', 'RUNNING'))::int AS open
      FROM jobs j JOIN records r ON r.job_id = j.id WHERE j.file_id = f.id) AS r`;
}

async function isDelivered(store: ObjectStore, file: SentFile, rows: readonly FileRow[]): Promise<boolean> {
  const isKept = async (place: FileRow['archive']) => place !== null && (await digest(store, place)) === file.sha256;
  for (const { status, delivery, archive, records, openRecords, cause } of rows) {
    const hasEnded =
      file.kind === 'records'
        ? ENDED.has(status) && records >= file.records.length && openRecords === 0 && cause !== 'SOURCE_GONE'
        : status === 'COMPLETED' && (await isKept(delivery));
    if (hasEnded && (await isKept(archive))) return true;
  }
  return false;
}

/** Undefined when the object is not there. */
async function digest(store: ObjectStore, address: { bucket: string; key: string; versionId: string }) {
  if ((await store.head(address)) === 'not-found') return undefined;
  const hash = createHash('sha256');
  for await (const piece of store.readStream(address)) hash.update(piece);
  return hash.digest('hex');
}

/** Versions at the destination that no row names; those that the lost home had not copied came with its return. */
async function findUnnamedDeliveries(home: ConnectedHome, rows: readonly FileRow[], unreplicated: ReadonlySet<string>) {
  const named = new Set(rows.flatMap(({ delivery }) => (delivery === null ? [] : [nameOf(delivery)])));
  const bucket = bucketName(home.recordedPrefix, 'delivered');
  const versions = await listVersions(home.store, bucket);
  const unnamed = versions.map((version) => nameOf({ bucket, ...version })).filter((name) => !named.has(name));
  return {
    repeated: unnamed.filter((name) => unreplicated.has(name)).length,
    twice: unnamed.filter((name) => !unreplicated.has(name)),
  };
}

async function listVersions(store: ObjectStore, bucket: string): Promise<ListedVersion[]> {
  const versions: ListedVersion[] = [];
  let after: VersionCursor | undefined;
  do {
    const page = await store.listVersions({ bucket, ...(after !== undefined && { after }) });
    versions.push(...page.items.filter(({ isDeleteMarker }) => !isDeleteMarker));
    after = page.next;
  } while (after !== undefined);
  return versions;
}

/** A file that was sent again may be there as two files with the same records: then its sender asked for both. */
async function findEffects(partner: SimulatedPartner, sent: readonly SentFile[]) {
  const sentAgain = new Set(sent.flatMap(({ tries, records }) => (tries > 1 ? records : [])));
  const made = (await partner.calls()).filter(({ effect }) => effect === 'made');
  const byRecord = Map.groupBy(made, ({ api, record }) => `${api} ${record}`);
  const repeated = [...byRecord].filter(([, each]) => each.length > 1 && !sentAgain.has(each[0]!.record));
  return { effects: made.length, repeated: repeated.map(([name, each]) => `${name}: ${each.length} effects`) };
}

async function findMisjudged({ sql }: ConnectedHome, partner: SimulatedPartner): Promise<string[]> {
  const made = new Set(
    (await partner.calls()).flatMap(({ api, record, effect }) => (effect === 'made' ? [`${api} ${record}`] : [])),
  );
  const rows = await sql<{ record: string; state: string; code: string | null }[]>`
    SELECT business_key::jsonb ->> 0 AS record, state, error_code AS code FROM records
    WHERE state IN ('SUCCESS', 'FAILED') AND business_key IS NOT NULL`;
  return rows.flatMap(({ record, state, code }) =>
    CALLS.flatMap(({ api, code: codeOfCall }) => {
      const isMade = made.has(`${api} ${record}`);
      if (state === 'SUCCESS') return isMade ? [] : [`${record}: a success without its ${api}`];
      return isMade && code === codeOfCall ? [`${record}: a failure after its ${api}`] : [];
    }),
  );
}

async function countAmbiguous({ sql }: ConnectedHome): Promise<number> {
  const [row] = await sql<{ count: number }[]>`SELECT count(*)::int FROM records WHERE state = 'AMBIGUOUS'`;
  return row?.count ?? 0;
}
