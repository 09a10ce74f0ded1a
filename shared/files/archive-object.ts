/**
 * Moves a file's object from landing to the archive.
 *
 * 1. The landing version goes only after the copy was verified, and by its version id: a newer file of the same name stays.
 * 2. Repeated after a kill at any point it ends the same: a source that is gone and an archive object that is there is done.
 * 3. In the ordinary case two requests, copy and delete: the reply of the copy carries what verifies it.
 */

import type { TransferLog } from '#shared/files/copies/transfer-log.ts';
import { verifyCopy } from '#shared/files/copies/verify-copy.ts';
import type { ObjectChecksum } from './object-checksum.ts';
import type { ObjectLocation } from './object-location.ts';
import type { ObjectHead, ObjectStore, WrittenObject } from './object-store.ts';
import { hasFault, ObjectStoreError } from './store-error.ts';

export interface ArchiveRequest {
  readonly store: ObjectStore;
  readonly source: ObjectLocation;
  /** What is known of the source's contents, e.g. from the delivery; saves two HEADs where the ETag is not an MD5. */
  readonly checksums?: readonly ObjectChecksum[];
  readonly target: { readonly bucket: string; readonly key: string };
  readonly fileId: string;
  /** False when an earlier try may have copied already: then the archive is looked at first. */
  readonly isFirstTry: boolean;
  /** Larger objects are copied in parts. */
  readonly multipartAboveBytes: number;
  /** Of a copy in parts. */
  readonly log?: TransferLog | undefined;
  readonly signal?: AbortSignal;
}

const LONGEST_NAME_BYTES = 255;

/** `<tenant>/<yyyy>/<mm>/<dd>/<file id>/<name>`, by the day of arrival in UTC; an over-long name is cut at its beginning. */
export function archiveKey(file: { tenantId: string; id: string; name: string; receivedAt: Date }): string {
  const day = file.receivedAt.toISOString().slice(0, 10).replaceAll('-', '/');
  let name = file.name;
  while (Buffer.byteLength(name) > LONGEST_NAME_BYTES) name = [...name].slice(1).join('');
  return `${file.tenantId}/${day}/${file.id}/${name}`;
}

/** Where the file is from now on. @throws ObjectStoreError `not-found` when it is in neither place. */
export async function archiveObject(request: ArchiveRequest): Promise<ObjectLocation> {
  const { store, source, target, isFirstTry, signal } = request;
  const earlier = isFirstTry ? undefined : await findArchived(request);
  const archived = earlier ?? (await copyToArchive(request));
  if (archived.isSourceThere) await store.deleteVersion(source, { signal });
  return {
    ...target,
    sizeBytes: source.sizeBytes,
    ...(archived.written.versionId !== undefined && { versionId: archived.written.versionId }),
    etag: archived.written.etag,
  };
}

interface Archived {
  readonly written: WrittenObject;
  readonly isSourceThere: boolean;
}

/** An archive object of an earlier try, when it is true to the source or the source is gone (it went only after the check). */
async function findArchived({
  store,
  source,
  checksums,
  target,
  signal,
}: ArchiveRequest): Promise<Archived | undefined> {
  const head = await store.head(target, { signal });
  if (head === 'not-found' || head.sizeBytes !== source.sizeBytes) return undefined;
  try {
    const verdict = await verifyCopy({
      store,
      source: { ...source, checksums },
      target: { ...target, ...head },
      signal,
    });
    return verdict.type === 'same' ? { written: writtenOf(head), isSourceThere: true } : undefined;
  } catch (error) {
    if (hasFault(error, 'not-found')) return { written: writtenOf(head), isSourceThere: false };
    throw error;
  }
}

async function copyToArchive(request: ArchiveRequest): Promise<Archived> {
  const { store, source, checksums, target, fileId, multipartAboveBytes, log, signal } = request;
  const copy = { source, target, checksumAlgorithm: checksums?.[0]?.algorithm, signal };
  let written: WrittenObject;
  try {
    written =
      source.sizeBytes > multipartAboveBytes
        ? await store.copyMultipart({ ...copy, sizeBytes: source.sizeBytes, jobId: fileId, checksums, log })
        : await store.copy(copy);
  } catch (error) {
    if (!hasFault(error, 'not-found')) throw error;
    const head = await store.head(target, { signal });
    if (head === 'not-found' || head.sizeBytes !== source.sizeBytes) throw error;
    return { written: writtenOf(head), isSourceThere: false };
  }
  const verdict = await verifyCopy({
    store,
    source: { ...source, checksums },
    target: { ...target, ...written },
    signal,
  });
  if (verdict.type === 'same') return { written, isSourceThere: true };
  await store.deleteVersion({ ...target, versionId: written.versionId }, { signal });
  throw new ObjectStoreError(
    'unavailable',
    `the archive copy ${target.bucket}/${target.key} differs in ${verdict.what}`,
  );
}

function writtenOf(head: ObjectHead): WrittenObject {
  return {
    etag: head.etag,
    ...(head.versionId !== undefined && { versionId: head.versionId }),
    checksums: head.checksums,
  };
}
