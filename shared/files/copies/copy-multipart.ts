/**
 * A copy in parts, for what is too large for one request, or must be seen on its way.
 *
 * 1. The final name appears only when all parts are there and, where the source's checksum is known, when they are its bytes: the
 *    store is told it, and refuses any other.
 * 2. With a log the copy continues where an earlier try was, whatever worker that had: what the store lists counts, compared with what
 *    was written down. A failure that may pass leaves the upload to the next try; any other aborts it, after writing that it does.
 * 3. The upload carries the job's id, so that a completed object whose reply was lost is recognised.
 * 4. Server-side, the store moves the bytes; to an external store all is streamed. Streamed, parts are read, held and sent (`part-buffers.ts`); content that ran through in
 *    one go has its SHA-256.
 */

import { createHash } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { onlyContentHeaders } from '#shared/files/content-headers.ts';
import { storeTime } from '#shared/files/correct-clock-skew.ts';
import { fullObjectChecksum, type ObjectChecksum } from '#shared/files/object-checksum.ts';
import type {
  ExternalTarget,
  MultipartCopyRequest,
  MultipartObject,
  WrittenObject,
} from '#shared/files/object-store.ts';
import { headObject, nameOf } from '#shared/files/read-object.ts';
import { hasFault, mayPass, ObjectStoreError } from '#shared/files/store-error.ts';
import { findWritten } from './copy-object.ts';
import { copyPart, fillPart, type PartRequest, pipePart, type ReadStream, sendPart } from './copy-part.ts';
import { countRead, countSent } from './count-part-bytes.ts';
import {
  abortUpload,
  completeUpload,
  createUpload,
  type DescribedCopy,
  listParts,
  type UploadAddress,
  uploadAlgorithm,
} from './multipart-upload.ts';
import type { PartBuffers } from './part-buffers.ts';
import { bytesOf, choosePartBytes, type PlannedPart, planParts } from './plan-parts.ts';
import { ProgressWriter } from './progress-writer.ts';
import { StallWatch, unwatchedStallMs, watchedStallMs } from './stall-watch.ts';
import type { CopyFacts, CopyPlan, FinishedPart, LeftTransfer, TransferFacts, TransferLog } from './transfer-log.ts';

export interface CopyParts {
  /** For what moves no bytes of ours. */
  readonly client: S3Client;
  /** For parts: without a bound on a whole request, since one on a slow line takes as long as it takes. */
  readonly partClient: S3Client;
  /** For what is copied. */
  readonly sourceClient: S3Client;
  readonly read: ReadStream;
  readonly external: ExternalTarget | undefined;
  readonly serverSidePartBytes: number;
  readonly smallestPartBytes: number;
  /** Of one copy. */
  readonly serverSideConcurrency: number;
  readonly buffers: PartBuffers;
  /** What a request is given to move a byte. */
  readonly stallMs: number;
  readonly onPart?: ((plan: CopyPlan, bytes: number) => void) | undefined;
}

/** The clean-up has its own time: the caller's signal may be what ended the copy. */
const ABORT_TIMEOUT_MS = 10_000;

export async function copyMultipart(parts: CopyParts, request: MultipartCopyRequest): Promise<MultipartObject> {
  const described = await describeCopy(parts, request);
  const { log, target, source, sizeBytes } = request;
  const plan = parts.external === undefined ? (request.plan ?? 'server-side') : 'streamed';
  const startedAt = storeTime(parts.client);
  const preferred = plan === 'streamed' ? parts.buffers.bytes : parts.serverSidePartBytes;
  const facts: CopyFacts = {
    plan,
    store: parts.external?.name,
    target,
    sourceEtag: source.etag ?? '',
    sizeBytes,
    partBytes: choosePartBytes(sizeBytes, preferred, parts.smallestPartBytes),
  };
  const open = await openUpload(parts, described, facts);
  if (open.type === 'completed') return { ...open.written, plan, parts: 0, resumedParts: 0 };
  try {
    const copied = await copyMissing(parts, described, open);
    assertSameSha256(request, copied.sha256);
    await log?.completing();
    const written = await completeUpload(parts.client, {
      request: described,
      upload: open.upload,
      parts: copied.parts,
      expected: described.hasChecksums ? expectedOf(request) : undefined,
      startedAt,
    });
    await log?.done();
    const sha256 = copied.sha256 === undefined ? {} : { sha256: copied.sha256 };
    return { ...written, plan, parts: copied.parts.length, resumedParts: open.done.length, ...sha256 };
  } catch (error) {
    await giveUp(parts, { upload: open.upload, log, error });
    throw error;
  }
}

/** Of the whole source, when a store can compare it with a checksum over parts. */
function expectedOf({ checksums, checksumAlgorithm }: MultipartCopyRequest): ObjectChecksum | undefined {
  return fullObjectChecksum(checksums, uploadAlgorithm(checksumAlgorithm));
}

/** A store compares no SHA-256 over parts, so what ran through here is compared before it is completed. */
export function assertSameSha256({ checksums, source }: MultipartCopyRequest, sha256: string | undefined): void {
  const wanted = fullObjectChecksum(checksums, 'SHA256');
  if (wanted === undefined || sha256 === undefined) return;
  if (Buffer.from(sha256, 'hex').toString('base64') !== wanted.value)
    throw new ObjectStoreError('corrupt', `what was read of ${nameOf(source)} has another SHA-256`);
}

export async function describeCopy(
  { sourceClient, external }: CopyParts,
  request: MultipartCopyRequest,
): Promise<DescribedCopy> {
  const replace = request.replace ?? (await sourceDescription(sourceClient, request));
  return {
    ...request,
    hasChecksums: external?.hasChecksums ?? true,
    replace: { ...replace, metadata: { ...replace.metadata, 'longshore-job': request.jobId } },
  };
}

async function sourceDescription(
  client: S3Client,
  { source, signal }: MultipartCopyRequest,
): Promise<DescribedCopy['replace']> {
  const head = await headObject(client, source, { signal });
  if (head === 'not-found') throw new ObjectStoreError('not-found', `${nameOf(source)} is not there`);
  return { ...onlyContentHeaders(head), metadata: head.metadata };
}

type OpenUpload =
  | { readonly type: 'completed'; readonly written: WrittenObject }
  | {
      readonly type: 'open';
      readonly upload: UploadAddress;
      readonly facts: CopyFacts;
      /** Parts that need not be copied again. */
      readonly done: readonly FinishedPart[];
      /** Those of them that the earlier try did not write down any more. */
      readonly found: readonly FinishedPart[];
    };

async function openUpload(parts: CopyParts, request: DescribedCopy, facts: CopyFacts): Promise<OpenUpload> {
  const { log, signal } = request;
  const left = await log?.begin(facts);
  if (left !== undefined) {
    const found = await goOn(parts, request, { facts, left });
    if (found !== undefined) return found;
  }
  const upload = await createUpload(parts.client, request);
  try {
    await log?.created(facts, upload.uploadId);
  } catch (error) {
    // Known to nobody else, so nobody else can be at work on it.
    await abortUpload(parts.client, upload, { signal }).catch(() => {});
    throw error;
  }
  return { type: 'open', upload, facts, done: [], found: [] };
}

/** Undefined when there is nothing to continue with. */
async function goOn(
  { client }: CopyParts,
  request: DescribedCopy,
  { facts, left }: { readonly facts: CopyFacts; readonly left: LeftTransfer },
): Promise<OpenUpload | undefined> {
  const { log, signal } = request;
  const upload = { ...left.target, uploadId: left.uploadId };
  if (left.isAborting || !isSameCopy(left, facts)) {
    await log?.aborting();
    // Of an upload that another store has, this one knows nothing.
    if (left.store === facts.store) await abortUpload(client, upload, { signal });
    return undefined;
  }
  const listed = await listParts(client, upload, { signal });
  if (listed !== 'gone') {
    const kept = { ...facts, partBytes: left.partBytes };
    const done = usableParts(kept, left.parts, listed);
    const written = new Set(left.parts.map(({ number }) => number));
    return { type: 'open', upload, facts: kept, done, found: done.filter(({ number }) => !written.has(number)) };
  }
  try {
    const written = await findWritten(client, {
      doing: 'continue with a copy',
      request,
      startedAt: 0,
      cause: undefined,
    });
    await log?.completing();
    await log?.done();
    return { type: 'completed', written };
  } catch (error) {
    if (hasFault(error, 'unavailable') && !signal?.aborted) return undefined;
    throw error;
  }
}

function isSameCopy(left: TransferFacts, facts: TransferFacts): boolean {
  return (
    left.store === facts.store &&
    left.target.bucket === facts.target.bucket &&
    left.target.key === facts.target.key &&
    left.sourceEtag === facts.sourceEtag &&
    left.sizeBytes === facts.sizeBytes
  );
}

/** What the store has, as it was planned, and not other than what was written down. */
function usableParts(
  { sizeBytes, partBytes }: CopyFacts,
  written: readonly FinishedPart[],
  listed: readonly FinishedPart[],
): FinishedPart[] {
  const planned = new Map(planParts(sizeBytes, partBytes).map((part) => [part.number, bytesOf(part)]));
  const etags = new Map(written.map((part) => [part.number, part.etag]));
  return listed.filter(
    (part) => planned.get(part.number) === part.sizeBytes && (etags.get(part.number) ?? part.etag) === part.etag,
  );
}

interface CopiedParts {
  /** By number. */
  readonly parts: readonly FinishedPart[];
  readonly sha256?: string | undefined;
}

async function copyMissing(
  engine: CopyParts,
  request: DescribedCopy,
  { upload, facts, done, found }: Extract<OpenUpload, { type: 'open' }>,
): Promise<CopiedParts> {
  const firstFailure = new AbortController();
  const { onPart } = engine;
  const { log } = request;
  const signal = request.signal ? AbortSignal.any([request.signal, firstFailure.signal]) : firstFailure.signal;
  const have = new Set(done.map(({ number }) => number));
  const missing = planParts(facts.sizeBytes, facts.partBytes).filter(({ number }) => !have.has(number));
  const bytesBefore = done.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const progress = log && new ProgressWriter({ log, bytesBefore, onLost: (error) => firstFailure.abort(error) });
  const watch = new StallWatch({
    afterMs: facts.plan === 'streamed' ? watchedStallMs(engine.stallMs) : unwatchedStallMs(engine.stallMs),
    doing: `copy to ${nameOf(request.target)}`,
    onStall: (error) => firstFailure.abort(error),
  });
  const made: FinishedPart[] = [];
  const onFinished = (part: FinishedPart): void => {
    made.push(part);
    progress?.finished(part);
    onPart?.(facts.plan, part.sizeBytes);
  };
  const work: PartsWork = {
    engine,
    request,
    upload,
    missing,
    signal,
    firstFailure,
    onFinished,
    onMoved: (part, bytes) => {
      watch.moved(part.number, bytes);
      progress?.moved(part.number, bytes);
    },
    watch,
    isWhole: have.size === 0,
  };
  await progress?.found(found);
  const sha256 = facts.plan === 'streamed' ? await streamParts(work, facts.partBytes) : await copyServerSide(work);
  watch.stop();
  await progress?.end();
  if (request.signal?.aborted === true)
    throw new ObjectStoreError('aborted', `the copy to ${nameOf(request.target)} was stopped`);
  if (firstFailure.signal.aborted) throw firstFailure.signal.reason;
  return { parts: [...done, ...made].sort((one, other) => one.number - other.number), sha256 };
}

interface PartsWork {
  readonly engine: CopyParts;
  readonly request: DescribedCopy;
  readonly upload: UploadAddress;
  readonly missing: readonly PlannedPart[];
  readonly signal: AbortSignal;
  /** Aborted by the first part that fails; the others then end too. */
  readonly firstFailure: AbortController;
  readonly onFinished: (part: FinishedPart) => void;
  /** So many bytes of a part have been moved so far. */
  readonly onMoved: (part: PlannedPart, bytes: number) => void;
  readonly watch: StallWatch;
  /** No part was there before. */
  readonly isWhole: boolean;
}

/** Ends when the last part has ended, well or not. */
async function copyServerSide(work: PartsWork): Promise<undefined> {
  const limit = pLimit(work.engine.serverSideConcurrency);
  await Promise.all(
    work.missing.map((part) =>
      limit(() =>
        endingAll(work, async () =>
          work.onFinished(await work.watch.during(part.number, () => copyPart(of(work, part)))),
        ),
      ),
    ),
  );
}

/** The content's SHA-256, where it ran through here from beginning to end. */
async function streamParts(work: PartsWork, partBytes: number): Promise<string | undefined> {
  const { buffers, read } = work.engine;
  const isHeld = partBytes <= buffers.bytes;
  const hash = work.isWhole && isHeld ? createHash('sha256') : undefined;
  const running = new Set<Promise<void>>();
  let hashed = Promise.resolve();
  await endingAll(work, async () => {
    for (const part of work.missing) {
      // A part that is not held takes a buffer too: so many requests are in flight, and no more.
      const buffer = await buffers.take(work.signal);
      const before = hashed;
      const own = Promise.withResolvers<void>();
      hashed = own.promise;
      const task = endingAll(work, () =>
        work.watch.during(part.number, async () => {
          const partRequest = of(work, part);
          const onMoved = (bytes: number) => work.onMoved(part, bytes);
          if (!isHeld) return work.onFinished(await pipePart(countRead(read, part, onMoved), partRequest));
          // A byte that is held has gone half of its way.
          const bytes = await fillPart(
            countRead(read, part, (count) => onMoved(count / 2)),
            partRequest,
            buffer,
          );
          const client = countSent(partRequest.client, (count) => onMoved((bytes.length + count) / 2));
          const sending = sendPart({ ...partRequest, client }, bytes);
          await Promise.allSettled([sending, before.then(() => void hash?.update(bytes)).finally(own.resolve)]);
          work.onFinished(await sending);
        }),
      ).finally(() => {
        own.resolve();
        buffers.give(buffer);
        running.delete(task);
      });
      running.add(task);
    }
  });
  await Promise.all(running);
  return work.signal.aborted ? undefined : hash?.digest('hex');
}

/** Never rejects: the first failure ends all parts, and is thrown once they have ended. */
async function endingAll({ signal, firstFailure }: PartsWork, run: () => Promise<void>): Promise<void> {
  if (signal.aborted) return;
  try {
    await run();
  } catch (error) {
    firstFailure.abort(error);
  }
}

function of({ engine, request, upload, signal }: PartsWork, part: PlannedPart): PartRequest {
  return { client: engine.partClient, request, upload, part, signal };
}

interface Failed {
  readonly upload: UploadAddress;
  readonly log: TransferLog | undefined;
  readonly error: unknown;
}

async function giveUp({ client, external }: CopyParts, { upload, log, error }: Failed): Promise<void> {
  // Whoever continues with it finds the parts. Damaged ones are not continued.
  if (log !== undefined && isWorthKeeping(error)) return;
  // An external store that refuses is tried again, and does so to an abort as well.
  if (log !== undefined && external !== undefined && isRefusal(error)) return;
  // A failed clean-up must not hide why the copy failed; the sweeper aborts what is left.
  try {
    await log?.aborting();
    await abortUpload(client, upload, { signal: AbortSignal.timeout(ABORT_TIMEOUT_MS) });
    await log?.aborted();
  } catch {}
}

function isRefusal(error: unknown): boolean {
  return hasFault(error, 'denied') || hasFault(error, 'invalid') || hasFault(error, 'forbidden');
}

/** Also what is not an answer of the store, e.g. a lost database or lease. */
function isWorthKeeping(error: unknown): boolean {
  return !(error instanceof ObjectStoreError) || (mayPass(error) && !hasFault(error, 'corrupt'));
}
