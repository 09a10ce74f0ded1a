/**
 * Compares the landing bucket with the table, and takes in what no event told of.
 *
 * 1. Versions are compared, not keys: an overwrite is its own file. One below a delete marker was withdrawn by its sender.
 * 2. Objects of the last minutes are left to their events; older than a week are those that somebody wanted to stay.
 * 3. A bucket of any size is compared as a whole: a look goes so far, and the next one continues from there.
 * 4. What is in the archive as well is deleted here (`delete-archived-originals.ts`).
 * 5. What is found goes through the ingestor's rules: an object that SFTP wrote still gets its quiet period.
 */
import type { ObjectReport } from '#shared/arrival/arrival-report.ts';
import { quoted } from '#shared/arrival/arrival-report.ts';
import { findRegistered } from '#shared/arrival/find-registered.ts';
import type { TakeArrivals } from '#shared/arrival/take-arrivals.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { ListedVersion, ObjectStore, VersionCursor } from '#shared/files/object-store.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { deleteArchivedOriginals } from './delete-archived-originals.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

export interface ReconcileLandingOptions {
  readonly sql: Sql;
  readonly store: Pick<ObjectStore, 'listVersions' | 'head' | 'deleteVersions'>;
  readonly takeArrivals: TakeArrivals;
  readonly landingBucket: string;
  readonly metrics: Pick<RetrySweeperMetrics, 'reconciled'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Milliseconds since 1970, of the object store's clock as nearly as possible. */
  readonly now: () => number;
  /** Younger objects are left to their events; 2 minutes when absent. */
  readonly youngestMs?: number;
  /** Of a thousand versions, in one look; 1,000 when absent. */
  readonly mostPages?: number;
  /** Where the look before stopped. */
  readonly from?: LandingPlace | undefined;
}

export interface LandingPlace {
  readonly after: VersionCursor;
  /** Whose older versions may follow. */
  readonly withdrawnKey: string | undefined;
}

export interface LandingLook {
  readonly found: number;
  /** Undefined at the end of the bucket. */
  readonly next: LandingPlace | undefined;
}

const YOUNGEST_MS = 120_000;
const OLDEST_MS = 7 * 86_400_000;
const ARCHIVED_MS = 3_600_000;
const MOST_PAGES = 1_000;

export async function reconcileLanding(options: ReconcileLandingOptions): Promise<LandingLook> {
  const { store, landingBucket, signal, now, mostPages = MOST_PAGES, from } = options;
  let after = from?.after;
  let withdrawnKey = from?.withdrawnKey;
  let found = 0;
  for (let page = 0; page < mostPages; page += 1) {
    const listed = await store.listVersions({ bucket: landingBucket, signal, ...(after !== undefined && { after }) });
    const present: ListedVersion[] = [];
    for (const version of listed.items) {
      if (version.isDeleteMarker) withdrawnKey = version.key;
      else if (version.key !== withdrawnKey) present.push(version);
    }
    found += await takeInPage(present, options);
    // Those that were withdrawn too. What was archived an hour ago has been here for longer.
    const old = listed.items.filter((one) => !one.isDeleteMarker && now() - one.lastModified.getTime() >= ARCHIVED_MS);
    await deleteArchivedOriginals(old, options);
    after = listed.next;
    if (after === undefined) return { found, next: undefined };
  }
  return { found, next: after && { after, withdrawnKey } };
}

async function takeInPage(versions: readonly ListedVersion[], options: ReconcileLandingOptions): Promise<number> {
  const { sql, takeArrivals, landingBucket, metrics, logger, signal, now, youngestMs = YOUNGEST_MS } = options;
  const of = versions.filter(({ lastModified }) => {
    const ageMs = now() - lastModified.getTime();
    return ageMs >= youngestMs && ageMs <= OLDEST_MS;
  });
  if (of.length === 0) return 0;
  const registered = await findRegistered(
    sql,
    of.map(({ key, versionId }) => ({ bucket: landingBucket, key, versionId })),
  );
  const known = new Set(registered.map(({ key, versionId }) => `${versionId} ${key}`));
  const reports = of
    .filter(({ key, versionId }) => !known.has(`${versionId} ${key}`))
    .map((one) => toReport(landingBucket, one));
  if (reports.length === 0) return 0;
  let taken = 0;
  for (const [index, result] of (await takeArrivals(reports, signal)).entries()) {
    const outcome = result.type === 'done' ? result.outcome : result.type;
    metrics.reconciled.inc({ outcome });
    if (result.type !== 'done' || result.fileId === undefined) continue;
    taken += 1;
    const { tenantId: tenant, fileId } = result;
    logger.warn({ tenant, fileId, key: reports[index]?.key, outcome }, 'object found without an event');
  }
  return taken;
}

function toReport(bucket: string, { key, versionId, sizeBytes, etag = '', lastModified }: ListedVersion): ObjectReport {
  const at = lastModified.toISOString();
  return { kind: 'object', bucket, key, versionId, sizeBytes, etag: quoted(etag), at, heardFrom: 'reconciliation' };
}
