/**
 * Decides what each report about an object in landing means: a file to register, and in which state, or nothing.
 *
 * 1. An object that SFTP wrote counts as whole only by the report of its transfer; until then it is `UPLOADED`, with a quiet period
 *    as fallback. An upload that was cut off is `QUARANTINED`, in whatever order the two reports come.
 * 2. Objects of other writers are whole when they are there.
 * 3. Size, ETag, version and time are the store's: one HEAD for each version that the table does not have yet. An event about an object
 *    that the store does not have registers nothing.
 */
import { randomUUIDv7 } from 'node:crypto';
import pLimit from 'p-limit';
import type { Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import type { ArrivedObject } from '#shared/jobs/register-files.ts';
import type { ArrivalReport, ObjectReport, TransferReport } from './arrival-report.ts';
import { classifyKey, type KeyClass, tenantOfKey } from './classify-key.ts';
import { findRegistered, type RegisteredVersion } from './find-registered.ts';
import { findStored, findTransferred, plausibleTime, type StoredObject } from './look-at-object.ts';
import { type CandidateVersion, matchVersion } from './match-version.ts';
import type { TenantDirectory } from './tenant-directory.ts';

export type Resolution =
  | { readonly type: 'register'; readonly object: ArrivedObject }
  /** `known`: another report or row says it already. `gone`: no such object any more; should it come back, a listing finds it. */
  | { readonly type: 'nothing'; readonly why: 'foreign' | 'ignored' | 'known' | 'gone' }
  /** The object store did not answer, and without it nothing can be decided. */
  | { readonly type: 'later'; readonly reason: string }
  /** The object store says that there can be no such object. */
  | { readonly type: 'refused'; readonly reason: string };

export interface ResolveArrivalsOptions {
  readonly sql: Sql;
  readonly store: ObjectStore;
  readonly directory: TenantDirectory;
  readonly landingBucket: string;
  readonly quietMs: number;
  readonly signal: AbortSignal;
}

type FileClass = Extract<KeyClass, { type: 'file' }>;
interface OpenReport<Report extends ArrivalReport = ArrivalReport> {
  readonly index: number;
  readonly report: Report;
  readonly file: FileClass;
}

const REQUESTS_SIDE_BY_SIDE = 16;

/** One resolution per report, in the same order. @throws the database's errors. */
export async function resolveArrivals(
  reports: readonly ArrivalReport[],
  options: ResolveArrivalsOptions,
): Promise<Resolution[]> {
  const resolutions: Resolution[] = reports.map(() => ({ type: 'nothing', why: 'foreign' }));
  const objects: OpenReport<ObjectReport>[] = [];
  const transfers: OpenReport<TransferReport>[] = [];
  const ours = reports.filter((report) => report.bucket === options.landingBucket);
  if (ours.length === 0) return resolutions;
  const tenants = await options.directory.find([...new Set(ours.flatMap(({ key }) => tenantOfKey(key) ?? []))]);

  for (const [index, report] of reports.entries()) {
    if (report.bucket !== options.landingBucket) continue;
    if (!isStorable(report)) {
      resolutions[index] = { type: 'refused', reason: 'its text has a NUL or half a surrogate pair' };
      continue;
    }
    const file = classifyKey(report.key, tenants);
    if (file.type === 'ignored') resolutions[index] = { type: 'nothing', why: 'ignored' };
    else if (report.kind === 'object') objects.push({ index, report, file });
    else transfers.push({ index, report, file });
  }
  if (objects.length + transfers.length > 0) await resolveFiles({ objects, transfers, resolutions }, options);
  return resolutions;
}

/** Neither the table nor the store has what this is false of, and asked about it both fail the whole batch. */
function isStorable(report: ArrivalReport): boolean {
  return Object.values(report).every(
    (value) => typeof value !== 'string' || (value.isWellFormed() && !value.includes('\0')),
  );
}

interface Open {
  readonly objects: readonly OpenReport<ObjectReport>[];
  readonly transfers: readonly OpenReport<TransferReport>[];
  readonly resolutions: Resolution[];
}

async function resolveFiles(open: Open, options: ResolveArrivalsOptions): Promise<void> {
  const { objects, transfers, resolutions } = open;
  const registered = await findRegistered(options.sql, [
    ...objects.map(({ report }) => ({ bucket: report.bucket, key: report.key, versionId: report.versionId })),
    ...transfers.map(({ report }) => ({ bucket: report.bucket, key: report.key, since: earliest(report) })),
  ]);
  const limit = pLimit(REQUESTS_SIDE_BY_SIDE);
  const stored = await findAllStored(objects, registered, (report) =>
    asked(limit, () => findStored(options.store, report, options)),
  );
  const versions = candidatesByKey(stored, registered);

  await Promise.all(
    transfers.map(async ({ index, report, file }) => {
      if (file.error !== undefined) {
        resolutions[index] = { type: 'nothing', why: 'known' };
        return;
      }
      const known = matchVersion(report, versions.get(report.key) ?? []);
      // A settled one can be an equal file sent just before: the event of the new version may come later than its transfer's.
      const isInDoubt = known === undefined || (known.isSettled && report.etag !== undefined);
      if (known !== undefined) known.isSettled = true;
      const found = isInDoubt ? await asked(limit, () => findTransferred(options.store, report, options)) : undefined;
      resolutions[index] =
        found instanceof ObjectStoreError ? unanswered(found) : settle({ report, file }, found ?? known);
    }),
  );

  for (const { index, report, file } of objects) {
    const object = stored.get(reportId(report));
    const isSettled = (versionId: string) =>
      versions.get(report.key)?.some((one) => one.versionId === versionId && (one.isRegistered || one.isSettled)) ===
      true;
    if (object instanceof ObjectStoreError) resolutions[index] = unanswered(object);
    else if (object === 'not-found') resolutions[index] = { type: 'nothing', why: 'gone' };
    else if (object === undefined || isSettled(object.versionId))
      resolutions[index] = { type: 'nothing', why: 'known' };
    else if (object.writer.type === 'other')
      resolutions[index] = registerObject({ report, file, object }, { status: 'QUEUED', source: 's3' });
    else
      resolutions[index] = registerObject(
        { report, file, object },
        {
          status: 'UPLOADED',
          source: 'sftp',
          quietMs: options.quietMs,
          ...(object.writer.username !== undefined && { uploadedBy: object.writer.username }),
        },
      );
  }
}

type Answer = StoredObject | 'not-found' | ObjectStoreError;

/** By `reportId`; absent is what the table has already. One question for each version, however often its event was delivered. */
async function findAllStored(
  objects: readonly OpenReport<ObjectReport>[],
  registered: readonly RegisteredVersion[],
  ask: (report: ObjectReport) => Promise<Answer>,
): Promise<ReadonlyMap<string, Answer>> {
  const known = new Set(registered.map(reportId));
  const unknown = new Map(
    objects.flatMap(({ report }) => (known.has(reportId(report)) ? [] : [[reportId(report), report] as const])),
  );
  return new Map(await Promise.all([...unknown].map(async ([id, report]) => [id, await ask(report)] as const)));
}

function reportId({ key, versionId }: { readonly key: string; readonly versionId: string }): string {
  return `${versionId} ${key}`;
}

interface KnownVersion extends CandidateVersion {
  readonly isRegistered: boolean;
  isSettled: boolean;
}

function candidatesByKey(
  stored: ReadonlyMap<string, Answer>,
  registered: readonly RegisteredVersion[],
): Map<string, KnownVersion[]> {
  const byKey = new Map<string, Map<string, KnownVersion>>();
  const add = (key: string, version: KnownVersion) => {
    const versions = byKey.get(key) ?? new Map<string, KnownVersion>();
    if (!versions.has(version.versionId)) versions.set(version.versionId, version);
    byKey.set(key, versions);
  };
  for (const { key, versionId, sizeBytes, etag, uploadedAt, status } of registered) {
    add(key, { versionId, sizeBytes, etag, at: uploadedAt, isRegistered: true, isSettled: status !== 'UPLOADED' });
  }
  for (const [id, object] of stored) {
    if (object === 'not-found' || object instanceof ObjectStoreError) continue;
    const { versionId, sizeBytes, etag, at } = object;
    const version = { versionId, sizeBytes, etag, at, isRegistered: false, isSettled: false, stored: object };
    add(id.slice(id.indexOf(' ') + 1), version);
  }
  return new Map([...byKey].map(([key, versions]) => [key, [...versions.values()]]));
}

/** What `timestamptz` and RFC 3339 both can say. */
const YEARS = { first: Date.UTC(1970), last: Date.UTC(9999) };

/** A minute before the transfer began: what is older cannot be its object, and keys may have many versions. */
function earliest({ startedAt }: TransferReport): Date {
  return new Date(Math.min(Math.max(startedAt.getTime() - 60_000, YEARS.first), YEARS.last));
}

async function asked<Answer>(
  limit: ReturnType<typeof pLimit>,
  ask: () => Promise<Answer>,
): Promise<Answer | ObjectStoreError> {
  try {
    return await limit(ask);
  } catch (error) {
    if (error instanceof ObjectStoreError) return error;
    throw error;
  }
}

function unanswered(error: ObjectStoreError): Resolution {
  return { type: error.fault === 'invalid' ? 'refused' : 'later', reason: error.message };
}

function settle(
  { report, file }: { report: TransferReport; file: FileClass },
  version: CandidateVersion | undefined,
): Resolution {
  if (version === undefined) return { type: 'nothing', why: 'gone' };
  const { versionId, sizeBytes, etag, at, stored } = version;
  const { bucket, key, username, kind, failure = 'The upload failed.' } = report;
  const object = {
    ...identityOf(file),
    bucket,
    key,
    versionId,
    sizeBytes,
    etag,
    ...factsOf(stored),
    source: 'sftp',
    uploadedAt: plausibleTime(report.endedAt, at).toISOString(),
    ...(username !== undefined && { uploadedBy: username }),
  } as const;
  if (kind === 'completed') return { type: 'register', object: { ...object, status: 'QUEUED' } };
  const message = `${failure} It ended after ${sizeBytes} bytes; what arrived is kept and not processed. Send the whole file again.`;
  return {
    type: 'register',
    object: { ...object, status: 'QUARANTINED', error: { code: 'PARTIAL_UPLOAD', cause: 'PARTIAL_UPLOAD', message } },
  };
}

function registerObject(
  { report, file, object }: { report: ObjectReport; file: FileClass; object: StoredObject },
  state: Pick<ArrivedObject, 'status' | 'source' | 'quietMs' | 'uploadedBy'>,
): Resolution {
  const { bucket, key, sequencer } = report;
  const { versionId, sizeBytes, etag, at } = object;
  return {
    type: 'register',
    object: {
      ...identityOf(file),
      bucket,
      key,
      versionId,
      sizeBytes,
      etag,
      ...factsOf(object),
      ...(sequencer !== undefined && { sequencer }),
      uploadedAt: at.toISOString(),
      ...state,
      ...(report.heardFrom === 'reconciliation' && { source: 'reconciliation' }),
      ...(file.error !== undefined && { status: 'QUARANTINED', error: file.error }),
    },
  };
}

function identityOf(file: FileClass): Pick<ArrivedObject, 'id' | 'tenantId' | 'name' | 'orderKey'> {
  return { id: randomUUIDv7(), tenantId: file.tenantId, name: file.name, orderKey: file.orderKey };
}

function factsOf(stored: CandidateVersion['stored']): Pick<ArrivedObject, 'head' | 'contentHash'> {
  if (stored === undefined) return {};
  const { head, contentHash } = stored;
  return { head, ...(contentHash !== undefined && { contentHash }) };
}
