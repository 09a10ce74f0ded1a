/**
 * Takes one body as a file: streamed to landing as it comes, and shown there only when it is whole and right.
 *
 * 1. Memory holds a few parts, whatever the size. Bodies have no deadline but one on standing still.
 * 2. One Idempotency-Key, and one link, makes one file: also when requests come side by side, and when a process ends in between.
 * 3. Before the last bytes reach the store the row says so, under its epoch; what the store then leaves open is looked for, never sent again.
 */
import { randomUUIDv7 } from 'node:crypto';
import type { UploadSource } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { TransferLog } from '#shared/files/copies/transfer-log.ts';
import { hasFault, ObjectStoreError } from '#shared/files/store-error.ts';
import { UPLOAD_METADATA } from '#shared/uploads/upload-metadata.ts';
import {
  abortUploadRow,
  beginCompletion,
  createUpload,
  findUpload,
  findUploadOf,
  type HeldUpload,
  noteStoreUpload,
  renewUpload,
  takeUpload,
  UPLOAD_LEASE_MS,
  type UploadRow,
} from '#shared/uploads/uploads.ts';
import { type CompletionParts, findMade, register } from './complete-upload.ts';
import { checkDigests, type GivenDigest } from './content-digest.ts';
import type { UploadTarget } from './upload-target.ts';

export interface FileBody {
  readonly target: UploadTarget;
  readonly body: AsyncIterable<Uint8Array>;
  /** When the sender says it beforehand. */
  readonly sizeBytes: number | undefined;
  readonly mostBytes: number;
  readonly digests: readonly GivenDigest[];
  readonly contentType: string | undefined;
  readonly source: UploadSource;
  readonly uploadedBy: string;
  readonly actor: string;
  readonly once?: UploadOnce | undefined;
  readonly reason?: string | undefined;
  readonly signal: AbortSignal;
}

/** What makes one file, however often it is asked for. `requestHash`: of what the file is to be. */
export type UploadOnce =
  | { readonly idempotencyKey: string; readonly requestHash: string }
  | { readonly linkId: string };

export interface ReceivedFile {
  readonly upload: UploadRow;
  /** Undefined: it was here before. */
  readonly sha256: string | undefined;
}

const RENEW_MS = UPLOAD_LEASE_MS / 4;

export async function receiveFile(parts: CompletionParts, file: FileBody): Promise<ReceivedFile> {
  const held = await hold(parts, file);
  if (held.type === 'there') return { upload: held.upload, sha256: undefined };
  const { upload } = held;
  const lease = keepLease(parts, upload);
  try {
    const written = await parts.landing.store.upload({
      target: { bucket: upload.bucket, key: upload.key },
      body: checkedBody(file, async () => {
        if (!(await beginCompletion(parts.sql, upload))) throw inProgress();
      }),
      metadata: { [UPLOAD_METADATA]: upload.id },
      ...(file.contentType !== undefined && { contentType: file.contentType }),
      log: logOf(parts, upload),
      signal: AbortSignal.any([file.signal, lease.lost]),
    });
    const made = { ...written, lastModified: new Date() };
    await register(parts.landing, upload, made, AbortSignal.timeout(REGISTER_MS));
    return { upload: await current(parts, upload), sha256: written.sha256 };
  } catch (error) {
    const now = await findUpload(parts.sql, upload);
    // Somewhere after the last byte: the store may have it, or come to have it.
    if (now?.state === 'COMPLETING' && !hasFault(error, 'truncated')) {
      const late = await findLate(parts, upload);
      if (late !== undefined) return { upload: late, sha256: undefined };
      throw asUploadError(error);
    }
    const failure = asUploadError(error);
    await abortUploadRow(parts.sql, { ...upload, code: failure.code, actor: file.actor });
    throw failure;
  } finally {
    lease.end();
  }
}

const REGISTER_MS = 15_000;

type Holding =
  | { readonly type: 'held'; readonly upload: UploadRow }
  | { readonly type: 'there'; readonly upload: UploadRow };

/** @throws LongshoreError `IDEMPOTENCY_KEY_REUSED`, `UPLOAD_IN_PROGRESS`, `UPLOAD_LINK_INVALID` */
async function hold(parts: CompletionParts, file: FileBody): Promise<Holding> {
  const { sql } = parts;
  const { once, target, sizeBytes = null } = file;
  const created = await createUpload(sql, {
    id: randomUUIDv7(),
    tenantId: target.tenantId,
    bucket: parts.landing.bucket,
    key: target.key,
    sizeBytes,
    contentType: file.contentType,
    source: file.source,
    uploadedBy: file.uploadedBy,
    actor: file.actor,
    reason: file.reason,
    ...once,
    isHeld: true,
  });
  if (created !== undefined) return { type: 'held', upload: created };
  if (once === undefined) throw new Error('an upload with a new id was there already');
  const known = await findUploadOf(sql, 'linkId' in once ? once : { ...once, tenantId: target.tenantId });
  if (known === undefined) throw inProgress();
  if ('linkId' in once) return await holdOfLink(parts, file, known);
  if (known.requestHash !== once.requestHash)
    throw new LongshoreError('IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was used for another file.');
  if (known.state === 'COMPLETED') return { type: 'there', upload: known };
  return await takeOver(parts, known, sizeBytes);
}

/** A link's earlier try may have been of another name. */
async function holdOfLink(parts: CompletionParts, file: FileBody, known: UploadRow): Promise<Holding> {
  if (known.state === 'COMPLETED') throw linkUsed();
  const taken = await takeOver(parts, known, known.sizeBytes);
  if (taken.type === 'there') throw linkUsed();
  await abortUploadRow(parts.sql, { ...taken.upload, code: 'UPLOAD_INCOMPLETE', actor: file.actor });
  return await hold(parts, file);
}

/** A process that ended may have left an object, or an upload in the store. */
async function takeOver(parts: CompletionParts, known: UploadRow, sizeBytes: number | null): Promise<Holding> {
  const epoch = await takeUpload(parts.sql, { id: known.id, sizeBytes });
  if (epoch === undefined) {
    const now = await current(parts, known);
    if (now.state === 'COMPLETED') return { type: 'there', upload: now };
    throw inProgress();
  }
  if (known.storeUploadId !== null)
    await parts.landing.sent.abort({ bucket: known.bucket, key: known.key, uploadId: known.storeUploadId });
  const upload = { ...known, epoch };
  const late = known.state === 'COMPLETING' ? await findLate(parts, upload) : undefined;
  return late === undefined ? { type: 'held', upload } : { type: 'there', upload: late };
}

/** Undefined: the store has none, or did not say. */
async function findLate(parts: CompletionParts, upload: UploadRow): Promise<UploadRow | undefined> {
  const signal = AbortSignal.timeout(REGISTER_MS);
  const head = await findMade(parts.landing, upload, signal).catch(() => undefined);
  if (head === undefined) return undefined;
  await register(parts.landing, upload, head, signal);
  return await current(parts, upload);
}

async function current({ sql }: CompletionParts, upload: UploadRow): Promise<UploadRow> {
  return (await findUpload(sql, upload)) ?? upload;
}

/** `last` before the end of the body is given on. */
async function* checkedBody(file: FileBody, last: () => Promise<void>): AsyncGenerator<Uint8Array> {
  const { sizeBytes, mostBytes } = file;
  const digests = checkDigests(file.digests);
  let count = 0;
  for await (const piece of file.body) {
    count += piece.length;
    if (count > mostBytes) throw tooLarge(mostBytes);
    digests.update(piece);
    yield piece;
  }
  if (sizeBytes !== undefined && count !== sizeBytes)
    throw new LongshoreError('UPLOAD_MISMATCH', `${count} bytes arrived, and not the ${sizeBytes} that were named.`);
  digests.finish();
  await last();
}

export function tooLarge(mostBytes: number): LongshoreError {
  return new LongshoreError('UPLOAD_TOO_LARGE', `The file has more than ${mostBytes} bytes.`);
}

interface Lease {
  readonly lost: AbortSignal;
  end(): void;
}

/** Renewed while the body comes; lost well before the row says so, so that nobody else is at work yet. */
function keepLease({ sql }: CompletionParts, held: HeldUpload): Lease {
  const controller = new AbortController();
  let renewedAt = performance.now();
  const timer = setInterval(() => {
    const askedAt = performance.now();
    if (askedAt - renewedAt > UPLOAD_LEASE_MS - RENEW_MS) controller.abort();
    renewUpload(sql, held).then(
      (isOurs) => {
        if (isOurs) renewedAt = askedAt;
        else controller.abort();
      },
      () => undefined,
    );
  }, RENEW_MS);
  return { lost: controller.signal, end: () => clearInterval(timer) };
}

/** Of a multipart upload only the id is kept, so that the worker that comes next aborts it. */
function logOf({ sql }: CompletionParts, held: HeldUpload): TransferLog {
  const nothing = async () => undefined;
  return {
    begin: nothing,
    async created(_facts, uploadId) {
      if (!(await noteStoreUpload(sql, held, uploadId))) throw inProgress();
    },
    progress: nothing,
    completing: nothing,
    aborting: nothing,
    done: nothing,
    aborted: nothing,
    found: nothing,
  };
}

function asUploadError(error: unknown): LongshoreError {
  if (error instanceof ObjectStoreError)
    return hasFault(error, 'aborted') || hasFault(error, 'truncated')
      ? new LongshoreError('UPLOAD_INCOMPLETE', 'The body ended before its end.', { cause: error })
      : error;
  if (error instanceof LongshoreError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ECONNRESET' || code === 'ABORT_ERR' || code === 'ERR_STREAM_PREMATURE_CLOSE')
    return new LongshoreError('UPLOAD_INCOMPLETE', 'The body ended before its end.', { cause: error });
  return new LongshoreError('INTERNAL', 'The file could not be received.', { cause: error });
}

function inProgress(): LongshoreError {
  return new LongshoreError('UPLOAD_IN_PROGRESS', 'The file is being received by another request.');
}

function linkUsed(): LongshoreError {
  return new LongshoreError('UPLOAD_LINK_INVALID', 'This link was used: its file is here.');
}
