/**
 * Ends an upload and reports what happened to it.
 *
 * 1. Each upload ends in exactly one event, in the journal before the client gets its reply.
 * 2. As with AWS Transfer Family, an upload that was cut off leaves a partial object and a "Failed" event.
 */

import type { StoredObject } from './object-store.ts';
import type { UploadHandle } from './open-handles.ts';
import type { SessionContext } from './session-context.ts';
import type { SftpFault } from './sftp-fault.ts';
import { uploadCompleted, uploadFailed } from './transfer-event.ts';

/** For CLOSE. @throws SftpFault when the file is not whole; the event was written then too. */
export async function closeUpload(context: SessionContext, handle: UploadHandle): Promise<void> {
  const { upload, location } = handle;
  let stored: StoredObject;
  try {
    if (upload.receivedBytes < handle.announcedBytes) throw upload.refuse('fewer bytes came than were announced');
    stored = await upload.complete();
  } catch (error) {
    await cutOffUpload(context, handle);
    throw error;
  }
  const { bucket, key } = location;
  const { sizeBytes: bytes, etag } = stored;
  context.journal.append(uploadCompleted({ ...context, ...timesOf(handle) }, { bucket, key, bytes, etag }));
  context.metrics.uploads.inc({ outcome: 'completed' });
  context.logger.info({ ...describe(handle), etag }, 'file uploaded');
}

/** For a connection that ended, or an upload that failed. Never rejects. */
export async function cutOffUpload(context: SessionContext, handle: UploadHandle): Promise<void> {
  const { bucket, key } = handle.location;
  const cause = handle.upload.failure;
  const partial = await handle.upload.cutOff();
  const isStoreFault = partial === undefined && cause?.code !== 'PARTIAL_UPLOAD';
  const event = uploadFailed(
    { ...context, ...timesOf(handle) },
    {
      bucket,
      key,
      bytes: partial?.sizeBytes ?? handle.upload.receivedBytes,
      ...(partial !== undefined && { etag: partial.etag }),
      failureCode: isStoreFault ? 'UNKNOWN_ERROR' : 'PARTIAL_UPLOAD',
    },
  );
  try {
    context.journal.append(event);
  } catch (error) {
    context.logger.error({ err: error, ...describe(handle) }, 'the event of a failed upload could not be kept');
  }
  context.metrics.uploads.inc({ outcome: isStoreFault ? 'failed' : 'partial' });
  context.logger.warn({ ...describe(handle), reason: reasonOf(cause) }, 'file not uploaded');
}

function timesOf({ startedAt }: UploadHandle): { startedAt: Date; endedAt: Date } {
  return { startedAt, endedAt: new Date() };
}

function describe({ location, upload, startedAt }: UploadHandle): Record<string, unknown> {
  return { path: location.path, bytes: upload.receivedBytes, durationMs: Date.now() - startedAt.getTime() };
}

function reasonOf(cause: SftpFault | undefined): string {
  if (cause === undefined) return 'the connection ended before the file was closed';
  return cause.cause instanceof Error ? `${cause.message} (${cause.cause.message})` : cause.message;
}
