/**
 * Archives a file whose lease this worker holds: the file's own last step, after all its jobs.
 *
 * 1. A failed try does not fail the file: it is repeated, after 5 s doubling to 5 minutes, until the object has left landing. Only an object
 *    that is in neither place fails it.
 * 2. `archive` bears a repeat after a kill at any point: the copy is made and verified again or found, then the source removed.
 */
import { LongshoreError } from '#shared/errors.ts';
import { archiveKey, archiveObject } from '#shared/files/archive-object.ts';
import type { TransferLog } from '#shared/files/copies/transfer-log.ts';
import { type ObjectStore, SINGLE_COPY_LIMIT_BYTES } from '#shared/files/object-store.ts';
import { hasFault } from '#shared/files/store-error.ts';
import type { ArchiveOutcome } from '#shared/jobs/archive-files.ts';
import type { ClosedFile } from '#shared/jobs/store-outcomes.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { JobCommits } from './job-commits.ts';
import type { JobMetrics } from './job-metrics.ts';
import { type LateReplicas, REPLICA_AWAITED } from './late-replicas.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import { type AbortableEnd, runAbortable } from './run-abortable.ts';

interface ArchivedObject {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
}

/** Copies the object to the archive, verifies the copy, and removes the very version from landing. */
export type ArchiveFile = (file: ClosedFile, options: { readonly signal: AbortSignal }) => Promise<ArchivedObject>;

export interface ArchiveParts {
  readonly archive: ArchiveFile;
  readonly lateReplicas?: LateReplicas | undefined;
  readonly keeper: LeaseKeeper;
  readonly commits: JobCommits;
  readonly deadlineMs: number;
  readonly metrics: JobMetrics;
  readonly logger: Logger;
  readonly now: () => number;
}

export interface HeldFile {
  readonly file: ClosedFile;
  /** Monotonic, from before the statement that gave the lease. */
  readonly askedAtMs: number;
  readonly stop: AbortSignal;
}

export type ArchiveEnd = ArchiveOutcome['type'] | 'lost';

const FIRST_DELAY_MS = 5_000;
const MAX_DELAY_MS = 300_000;

export async function archiveHeldFile(parts: ArchiveParts, { file, askedAtMs, stop }: HeldFile): Promise<ArchiveEnd> {
  const startedMs = parts.now();
  const lease = parts.keeper.hold('file', file, askedAtMs);
  try {
    const end = await runAbortable({
      run: (signal) => parts.archive(file, { signal }),
      lease: lease.signal,
      stop,
      deadlineMs: parts.deadlineMs,
    });
    const outcome = outcomeOf(file, end, parts.lateReplicas);
    if (outcome !== undefined) {
      lease.settle();
      await parts.commits.storeArchive(outcome);
    }
    if (outcome?.type === 'later') logLater(parts.logger, file, end, outcome.delayMs);
    parts.metrics.archives.inc({ outcome: outcome?.type ?? 'lost' });
    parts.metrics.archiveSeconds.observe((parts.now() - startedMs) / 1_000);
    return outcome?.type ?? 'lost';
  } finally {
    lease.release();
  }
}

/** Undefined under a lost lease: whoever took over stores what happens to it. */
function outcomeOf(
  file: ClosedFile,
  end: AbortableEnd<ArchivedObject>,
  lateReplicas: LateReplicas | undefined,
): ArchiveOutcome | undefined {
  const { id: fileId, epoch } = file;
  if (end.type === 'returned') return { type: 'archived', fileId, epoch, ...end.result };
  if (end.aborted === 'lease-lost') return undefined;
  const later = { type: 'later', fileId, epoch } as const;
  if (end.aborted === 'stopping') {
    return { ...later, delayMs: 0, cause: 'WORKER_STOPPING', message: 'The worker stopped before the copy had ended.' };
  }
  if (end.type === 'threw' && hasFault(end.error, 'not-found')) {
    if (lateReplicas?.mayCome(new Date(file.uploadedAt)) === true) {
      const message = `The original ${file.bucket}/${file.key} has not come from the other region yet.`;
      return { ...later, delayMs: lateReplicas.afterMs, cause: REPLICA_AWAITED, message };
    }
    const message = `The original ${file.bucket}/${file.key} was removed before it was archived; what its jobs delivered is not affected.`;
    return { type: 'gone', fileId, epoch, message };
  }
  return { ...later, delayMs: archiveDelayMs(epoch), ...describe(end) };
}

/** The epoch counts the tries: each claim of the file raises it. */
function archiveDelayMs(epoch: number): number {
  return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, Math.min(epoch, 30) - 1));
}

function describe(end: AbortableEnd<ArchivedObject>): { cause: string; message: string } {
  if (end.aborted === 'deadline') {
    return { cause: 'STEP_DEADLINE_EXCEEDED', message: 'The archive copy did not end within its deadline.' };
  }
  const error = end.type === 'threw' ? end.error : undefined;
  if (error instanceof LongshoreError) return { cause: error.code, message: `${error.message} ${error.hint}` };
  return { cause: 'INTERNAL', message: 'The archive copy met an error that it was not written for; the log has it.' };
}

function logLater(logger: Logger, file: ClosedFile, end: AbortableEnd<ArchivedObject>, delayMs: number): void {
  const err = end.type === 'threw' ? end.error : undefined;
  logger.warn({ err, tenant: file.tenantId, fileId: file.id, epoch: file.epoch, delayMs }, 'file not archived yet');
}

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
