/** The archive copy as the engine calls it: where a file's object goes, and how. */
import { archiveKey, archiveObject } from '#shared/files/archive-object.ts';
import type { TransferLog } from '#shared/files/copies/transfer-log.ts';
import { type ObjectStore, SINGLE_COPY_LIMIT_BYTES } from '#shared/files/object-store.ts';
import type { ClosedFile } from '#shared/jobs/store-outcomes.ts';
import type { ArchiveFile } from './archive-held-file.ts';

export interface ArchiveFileOptions {
  readonly store: ObjectStore;
  readonly archiveBucket: string;
  /** Larger objects are copied in parts. */
  readonly largeFileBytes: number;
  /** Bound to the file and its epoch. */
  readonly transferLogFor: (file: ClosedFile) => TransferLog;
}

export function createArchiveFile({
  store,
  archiveBucket,
  largeFileBytes,
  transferLogFor,
}: ArchiveFileOptions): ArchiveFile {
  return async (file, { signal }) => {
    const { id, tenantId, name, bucket, key, versionId, sizeBytes, etag, head } = file;
    const receivedAt = new Date(file.uploadedAt);
    const archived = await archiveObject({
      store,
      source: { bucket, key, versionId, sizeBytes, etag },
      ...(head !== null && { checksums: head.checksums }),
      target: { bucket: archiveBucket, key: archiveKey({ id, tenantId, name, receivedAt }) },
      fileId: id,
      // Each try to archive raises the file's epoch.
      isFirstTry: file.epoch === 1,
      multipartAboveBytes: Math.min(largeFileBytes, SINGLE_COPY_LIMIT_BYTES),
      log: transferLogFor(file),
      signal,
    });
    return { bucket: archived.bucket, key: archived.key, versionId: archived.versionId ?? '' };
  };
}
