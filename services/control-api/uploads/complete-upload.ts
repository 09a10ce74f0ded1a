/**
 * Makes one object of an upload's parts, and a file of the object.
 *
 * 1. ListParts decides what is there. A part that is missing or of another size is named, and can be sent again.
 * 2. The store compares the checksum of the whole: of other bytes no object becomes.
 * 3. Asked twice, side by side or after a crash at any point, it answers the same, and there is one file.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type PlannedPart, planParts } from '#shared/files/copies/plan-parts.ts';
import type { FinishedPart } from '#shared/files/copies/transfer-log.ts';
import type { ObjectHead } from '#shared/files/object-store.ts';
import { UPLOAD_METADATA } from '#shared/uploads/upload-metadata.ts';
import { abortUploadRow, beginCompletion, findUpload, type UploadRow } from '#shared/uploads/uploads.ts';
import type { LandingAccess } from './landing-access.ts';

export interface CompletionParts {
  readonly sql: Sql;
  readonly landing: LandingAccess;
}

export interface CompletionRequest {
  readonly upload: UploadRow;
  readonly crc64nvme: string | undefined;
  readonly actor: string;
  readonly signal: AbortSignal;
}

const MOST_NAMED = 1_000;

/** @throws LongshoreError `UPLOAD_INCOMPLETE`, `UPLOAD_MISMATCH`, `UPLOAD_ENDED`, `REQUEST_INVALID` */
export async function completeUpload(
  parts: CompletionParts,
  { upload, crc64nvme, actor, signal }: CompletionRequest,
): Promise<UploadRow> {
  const { sql, landing } = parts;
  if (upload.state === 'COMPLETED') return upload;
  if (upload.state === 'ABORTED') throw ended();
  const { storeUploadId, partBytes, sizeBytes } = upload;
  if (storeUploadId === null || partBytes === null || sizeBytes === null)
    throw new LongshoreError('REQUEST_INVALID', 'The file is not sent in parts, so there is nothing to complete.');
  if (upload.isChecked && crc64nvme === undefined)
    throw new LongshoreError(
      'REQUEST_INVALID',
      'crc64nvme: is required, as the upload was created with checksum_mode crc64nvme',
    );

  const address = { bucket: upload.bucket, key: upload.key, uploadId: storeUploadId };
  const stored = await landing.sent.parts(address, { signal });
  if (stored !== 'gone') {
    const missing = missingParts(plannedParts(sizeBytes, partBytes), stored);
    if (missing.length > 0)
      throw new LongshoreError('UPLOAD_INCOMPLETE', `${missing.length} parts are missing.`, {
        details: { missing: missing.slice(0, MOST_NAMED) },
      });
    if (!(await beginCompletion(sql, upload))) return await settled(parts, upload);
    const completion = await landing.sent.complete(address, { parts: stored, sizeBytes, crc64nvme }, { signal });
    if (completion.type === 'mismatch') {
      await landing.sent.abort(address, { signal });
      await abortUploadRow(sql, { ...upload, code: 'UPLOAD_MISMATCH', actor });
      throw new LongshoreError('UPLOAD_MISMATCH', 'The parts together have another checksum than the file.');
    }
  }
  const head = await findMade(landing, upload, signal);
  if (head !== undefined) await register(landing, upload, head, signal);
  else if (stored === 'gone') return await settled(parts, upload);
  return await settled(parts, upload);
}

/** What it came to by now: another request, or the event of the object, may have ended it. */
async function settled({ sql }: CompletionParts, { id, tenantId }: UploadRow): Promise<UploadRow> {
  const now = await findUpload(sql, { id, tenantId });
  if (now === undefined || now.state === 'ABORTED') throw ended();
  return now;
}

/** Undefined when the newest version is another's: its event registers it then. */
export async function findMade(
  { store }: LandingAccess,
  { id, bucket, key }: UploadRow,
  signal: AbortSignal,
): Promise<ObjectHead | undefined> {
  const head = await store.head({ bucket, key }, { signal });
  return head !== 'not-found' && head.metadata[UPLOAD_METADATA] === id ? head : undefined;
}

export type MadeObject = Pick<ObjectHead, 'sizeBytes' | 'etag' | 'versionId' | 'lastModified'>;

/** What cannot be registered now will be by its event. */
export async function register(
  { takeArrivals }: LandingAccess,
  { bucket, key }: UploadRow,
  { versionId = 'null', sizeBytes, etag, lastModified = new Date() }: MadeObject,
  signal: AbortSignal,
): Promise<void> {
  await takeArrivals(
    [{ kind: 'object', bucket, key, versionId, sizeBytes, etag, at: lastModified.toISOString(), heardFrom: 'event' }],
    signal,
  );
}

/** An empty file is one part of no bytes. */
export function plannedParts(sizeBytes: number, partBytes: number): Pick<PlannedPart, 'number' | 'first' | 'last'>[] {
  return sizeBytes === 0 ? [{ number: 1, first: 0, last: -1 }] : planParts(sizeBytes, partBytes);
}

export function missingParts(
  planned: readonly Pick<PlannedPart, 'number' | 'first' | 'last'>[],
  stored: readonly FinishedPart[],
): number[] {
  const sizes = new Map(stored.map(({ number, sizeBytes }) => [number, sizeBytes]));
  return planned.flatMap(({ number, first, last }) => (sizes.get(number) === last - first + 1 ? [] : [number]));
}

function ended(): LongshoreError {
  return new LongshoreError('UPLOAD_ENDED', 'The upload has ended without a file.');
}
