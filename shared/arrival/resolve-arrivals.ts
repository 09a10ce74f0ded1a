/**
 * Decides what each word about an object in landing means: a file to register, and in which state, or nothing.
 *
 * 1. An object that SFTP wrote counts as whole only by the word of its transfer; until then it is `UPLOADED`, with a quiet period
 *    as fallback. An upload that was cut off is `QUARANTINED`, in whatever order the two words come.
 * 2. Objects of other writers are whole when they are there, and cost no request.
 * 3. The object store is asked last: what the same batch or the table knows is not asked for.
 */
import { randomUUIDv7 } from 'node:crypto';
import pLimit from 'p-limit';
import type { Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import type { ArrivedObject } from '#shared/jobs/register-files.ts';
import type { ArrivalWord, ObjectWord, TransferWord } from './arrival-word.ts';
import { classifyKey, type KeyClass, tenantOfKey } from './classify-key.ts';
import { findRegistered, type RegisteredVersion } from './find-registered.ts';
import { findTransferred, findWriter, type Writer } from './look-at-object.ts';
import { type CandidateVersion, matchVersion } from './match-version.ts';
import type { TenantDirectory } from './tenant-directory.ts';

export type Resolution =
  | { readonly type: 'register'; readonly object: ArrivedObject }
  /** `known`: another word or row says it already. `gone`: no such object any more; should it come back, a listing finds it. */
  | { readonly type: 'nothing'; readonly why: 'foreign' | 'ignored' | 'known' | 'gone' }
  /** The object store did not answer, and without it nothing can be said. */
  | { readonly type: 'later'; readonly reason: string };

export interface ResolveArrivalsOptions {
  readonly sql: Sql;
  readonly store: ObjectStore;
  readonly directory: TenantDirectory;
  readonly landingBucket: string;
  readonly quietMs: number;
  readonly signal: AbortSignal;
}

type FileClass = Extract<KeyClass, { type: 'file' }>;
interface OpenWord<Word extends ArrivalWord = ArrivalWord> {
  readonly index: number;
  readonly word: Word;
  readonly file: FileClass;
}

const REQUESTS_SIDE_BY_SIDE = 16;

/** One resolution per word, in the same order. @throws the database's errors. */
export async function resolveArrivals(
  words: readonly ArrivalWord[],
  options: ResolveArrivalsOptions,
): Promise<Resolution[]> {
  const resolutions: Resolution[] = words.map(() => ({ type: 'nothing', why: 'foreign' }));
  const objects: OpenWord<ObjectWord>[] = [];
  const transfers: OpenWord<TransferWord>[] = [];
  const ours = words.filter((word) => word.bucket === options.landingBucket);
  if (ours.length === 0) return resolutions;
  const tenants = await options.directory.find([...new Set(ours.flatMap(({ key }) => tenantOfKey(key) ?? []))]);

  for (const [index, word] of words.entries()) {
    if (word.bucket !== options.landingBucket) continue;
    const file = classifyKey(word.key, tenants);
    if (file.type === 'ignored') resolutions[index] = { type: 'nothing', why: 'ignored' };
    else if (word.kind !== 'object') transfers.push({ index, word, file });
    else if (file.mayBeSftp) objects.push({ index, word, file });
    else resolutions[index] = registerObject({ word, file }, { status: 'QUEUED', source: 's3' });
  }
  if (objects.length + transfers.length > 0) await resolveTransferred({ objects, transfers, resolutions }, options);
  return resolutions;
}

interface Open {
  readonly objects: readonly OpenWord<ObjectWord>[];
  readonly transfers: readonly OpenWord<TransferWord>[];
  readonly resolutions: Resolution[];
}

async function resolveTransferred(open: Open, options: ResolveArrivalsOptions): Promise<void> {
  const { objects, transfers, resolutions } = open;
  const registered = await findRegistered(options.sql, [
    ...objects.map(({ word }) => ({ bucket: word.bucket, key: word.key, versionId: word.versionId })),
    ...transfers.map(({ word }) => ({ bucket: word.bucket, key: word.key, since: earliest(word) })),
  ]);
  const versions = candidatesByKey(objects, registered);
  const limit = pLimit(REQUESTS_SIDE_BY_SIDE);

  await Promise.all(
    transfers.map(async ({ index, word, file }) => {
      if (file.error !== undefined) {
        resolutions[index] = { type: 'nothing', why: 'known' };
        return;
      }
      const known = matchVersion(word, versions.get(word.key) ?? []);
      if (known !== undefined) known.isSettled = true;
      const found = known ?? (await asked(limit, () => findTransferred(options.store, word, options)));
      resolutions[index] = found instanceof ObjectStoreError ? later(found) : settle({ word, file }, found);
    }),
  );

  // One question, however often the event was delivered.
  const writers = new Map<string, Promise<Writer | ObjectStoreError>>();
  await Promise.all(
    objects.map(async ({ index, word, file }) => {
      const isKnown = versions
        .get(word.key)
        ?.some((one) => one.versionId === word.versionId && (one.isRegistered || one.isSettled));
      if (isKnown === true) {
        resolutions[index] = { type: 'nothing', why: 'known' };
        return;
      }
      const id = `${word.versionId} ${word.key}`;
      const asking = writers.get(id) ?? asked(limit, () => findWriter(options.store, word, options));
      writers.set(id, asking);
      const writer = await asking;
      // Unknown means unfinished: waiting is harmless, half a file is not.
      if (writer instanceof ObjectStoreError) resolutions[index] = waitQuiet({ word, file }, options.quietMs, 's3');
      else if (writer.type === 'gone') resolutions[index] = { type: 'nothing', why: 'gone' };
      else if (writer.type === 'other')
        resolutions[index] = registerObject({ word, file }, { status: 'QUEUED', source: 's3' });
      else resolutions[index] = waitQuiet({ word, file }, options.quietMs, 'sftp', writer.username);
    }),
  );
}

interface KnownVersion extends CandidateVersion {
  readonly isRegistered: boolean;
  isSettled: boolean;
}

function candidatesByKey(
  objects: readonly OpenWord<ObjectWord>[],
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
  for (const { word } of objects) {
    const { key, versionId, sizeBytes, etag } = word;
    add(key, { versionId, sizeBytes, etag, at: new Date(word.at), isRegistered: false, isSettled: false });
  }
  return new Map([...byKey].map(([key, versions]) => [key, [...versions.values()]]));
}

/** A minute before the transfer began: what is older cannot be its object, and keys may have many versions. */
function earliest({ startedAt }: TransferWord): Date {
  return new Date(startedAt.getTime() - 60_000);
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

function later(error: ObjectStoreError): Resolution {
  return { type: 'later', reason: error.message };
}

function settle(
  { word, file }: { word: TransferWord; file: FileClass },
  version: CandidateVersion | undefined,
): Resolution {
  if (version === undefined) return { type: 'nothing', why: 'gone' };
  const { versionId, sizeBytes, etag } = version;
  const { bucket, key, username, kind, failure = 'The upload failed.' } = word;
  const object = {
    ...identityOf(file),
    bucket,
    key,
    versionId,
    sizeBytes,
    etag,
    source: 'sftp',
    uploadedAt: word.endedAt.toISOString(),
    ...(username !== undefined && { uploadedBy: username }),
  } as const;
  if (kind === 'completed') return { type: 'register', object: { ...object, status: 'QUEUED' } };
  const message = `${failure} It ended after ${sizeBytes} bytes; what came of it is kept and not processed. Send the whole file again.`;
  return {
    type: 'register',
    object: { ...object, status: 'QUARANTINED', error: { code: 'PARTIAL_UPLOAD', cause: 'PARTIAL_UPLOAD', message } },
  };
}

function waitQuiet(
  open: { word: ObjectWord; file: FileClass },
  quietMs: number,
  source: 'sftp' | 's3',
  uploadedBy?: string,
): Resolution {
  return registerObject(open, {
    status: 'UPLOADED',
    source,
    quietMs,
    ...(uploadedBy !== undefined && { uploadedBy }),
  });
}

function registerObject(
  { word, file }: { word: ObjectWord; file: FileClass },
  state: Pick<ArrivedObject, 'status' | 'source' | 'quietMs' | 'uploadedBy'>,
): Resolution {
  const { bucket, key, versionId, sizeBytes, etag, at } = word;
  return {
    type: 'register',
    object: {
      ...identityOf(file),
      bucket,
      key,
      versionId,
      sizeBytes,
      etag,
      uploadedAt: at,
      ...state,
      ...(word.heardFrom === 'reconciliation' && { source: 'reconciliation' }),
      ...(file.error !== undefined && { status: 'QUARANTINED', error: file.error }),
    },
  };
}

function identityOf(file: FileClass): Pick<ArrivedObject, 'id' | 'tenantId' | 'name' | 'orderKey'> {
  return { id: randomUUIDv7(), tenantId: file.tenantId, name: file.name, orderKey: file.orderKey };
}
