/**
 * An upload of what comes over one connection from elsewhere, in order, so that another worker can continue with it.
 *
 * 1. It is a multipart upload whatever its size, empty ones too: of one upload id only one completion succeeds, so a worker that lost its
 *    lease makes no second version.
 * 2. The version carries a mark. An upload that is gone was completed or aborted: the version with its mark tells which.
 * 3. Another try continues at the first missing part, when it is about the same content; else the upload is aborted first.
 * 4. The final name appears only after `verify` has looked at what came.
 */
import { createHash } from 'node:crypto';
import { type S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { storeCall } from '#shared/files/classify-store-error.ts';
import { storeTime } from '#shared/files/correct-clock-skew.ts';
import { listVersions } from '#shared/files/list-objects.ts';
import type { PulledObject, PullObjectRequest } from '#shared/files/object-store.ts';
import { abortable, headObject, nameOf } from '#shared/files/read-object.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import { repeatPart } from './copy-part.ts';
import { abortUpload, completeUpload, createUpload, type DescribedCopy, listParts } from './multipart-upload.ts';
import { partChecksum } from './part-checksum.ts';
import { ProgressWriter } from './progress-writer.ts';
import type { FinishedPart, TransferFacts } from './transfer-log.ts';

export interface PullParts {
  readonly client: S3Client;
  readonly partClient: S3Client;
  /** Two of them are in memory: one that fills, one that is sent. A file that would need too many has larger ones. */
  readonly partBytes: number;
  readonly onPart?: ((bytes: number) => void) | undefined;
}

/** Metadata by which the version of a pull is known. */
export const PULL_MARK = 'longshore-pull';
const MOST_PARTS = 10_000;
/** Two parts are in memory, whatever a remote says that a file has. */
const LARGEST_PART_BYTES = 64 * 1_048_576;
export const MOST_PULLED_BYTES = MOST_PARTS * LARGEST_PART_BYTES;
const MOST_VERSIONS = 100;

export async function pullMultipart(parts: PullParts, request: PullObjectRequest): Promise<PulledObject> {
  const { target, sizeBytes, identity, log, signal } = request;
  const partBytes = Math.max(parts.partBytes, Math.ceil(sizeBytes / MOST_PARTS));
  const facts: TransferFacts = { plan: 'pulled', target, sourceEtag: identity, sizeBytes, partBytes };
  const left = await log.begin(facts);
  let uploadId = left?.uploadId;
  let finished: readonly FinishedPart[] = [];
  if (left !== undefined) {
    const upload = { ...left.target, uploadId: left.uploadId };
    const listed = await listParts(parts.client, upload, { signal });
    if (listed === 'gone') {
      const found = await findPulled(parts.client, request, left.target);
      if (found !== undefined) {
        await log.found();
        return { ...found, sha256: null, isFound: true };
      }
      uploadId = undefined;
    } else if (isGoneOnWith(left, facts, request)) {
      finished = wholeBeginning(listed, partBytes, sizeBytes);
    } else {
      await log.aborting();
      await abortUpload(parts.client, upload, { signal });
      if ((await listParts(parts.client, upload, { signal })) !== 'gone')
        throw new ObjectStoreError('unavailable', `the upload to ${nameOf(target)} is not aborted yet`);
      // Somebody may have completed it just before.
      const found = await findPulled(parts.client, request, left.target);
      if (found !== undefined) {
        await log.found();
        return { ...found, sha256: null, isFound: true };
      }
      uploadId = undefined;
    }
  }
  const described: DescribedCopy = {
    ...{ source: target, target, sizeBytes, jobId: request.mark, signal, hasChecksums: true },
    replace: { metadata: { ...request.metadata, [PULL_MARK]: request.mark } },
  };
  if (uploadId === undefined) {
    const created = await createUpload(parts.client, described);
    uploadId = created.uploadId;
    try {
      await log.created(facts, uploadId);
    } catch (error) {
      // Known to nobody else, so nobody else can be at work on it.
      await abortUpload(parts.client, created).catch(() => {});
      throw error;
    }
  }
  const upload = { ...target, uploadId };
  const sent = await sendParts(parts, request, { upload, finished, partBytes });
  try {
    await request.verify({ sizeBytes: sent.sizeBytes, sha256: sent.sha256 });
  } catch (error) {
    if (!request.isVerdict(error)) throw error;
    await log.aborting();
    await abortUpload(parts.client, upload, { signal });
    await log.aborted();
    throw error;
  }
  await log.completing();
  const startedAt = storeTime(parts.client);
  try {
    const toComplete = { request: described, upload, parts: sent.parts, expected: undefined, startedAt };
    const written = await completeUpload(parts.client, toComplete);
    const version = await versionOf(parts.client, request, written);
    await log.done();
    return { ...version, sha256: sent.sha256, isFound: false };
  } catch (error) {
    // Whether it was completed is seen by the mark.
    const found = await findPulled(parts.client, request, target).catch(() => undefined);
    if (found === undefined) throw error;
    await log.found();
    return { ...found, sha256: sent.sha256, isFound: true };
  }
}

interface Sending {
  readonly upload: { readonly bucket: string; readonly key: string; readonly uploadId: string };
  readonly finished: readonly FinishedPart[];
  readonly partBytes: number;
}

async function sendParts(
  { partClient, onPart }: PullParts,
  { read, log, signal, sizeBytes }: PullObjectRequest,
  { upload, finished, partBytes }: Sending,
): Promise<{ readonly parts: readonly FinishedPart[]; readonly sizeBytes: number; readonly sha256: string | null }> {
  const lost = new AbortController();
  const either = AbortSignal.any([signal, lost.signal]);
  const bytesBefore = finished.reduce((sum, part) => sum + part.sizeBytes, 0);
  const progress = new ProgressWriter({ log, bytesBefore, onLost: (error) => lost.abort(error) });
  const hash = bytesBefore === 0 ? createHash('sha256') : undefined;
  const parts = [...finished];
  let bytes = bytesBefore;
  let sending: Promise<void> | undefined;

  async function send(number: number, body: Buffer): Promise<void> {
    const ChecksumCRC64NVME = await partChecksum('CRC64NVME', body);
    const doing = `send part ${number} of ${nameOf(upload)}`;
    const reply = await repeatPart(either, () =>
      storeCall(doing, either, () =>
        partClient.send(
          new UploadPartCommand({
            ...{ Bucket: upload.bucket, Key: upload.key, UploadId: upload.uploadId, PartNumber: number },
            ...{ Body: body, ContentLength: body.length, ChecksumCRC64NVME },
          }),
          abortable(either),
        ),
      ),
    );
    if (reply.ETag === undefined) throw new ObjectStoreError('unavailable', `${doing}: the reply names no ETag`);
    parts.push({ number, etag: reply.ETag, checksum: reply.ChecksumCRC64NVME, sizeBytes: body.length });
    progress.finished(parts.at(-1) as FinishedPart);
    onPart?.(body.length);
  }

  async function begin(body: Buffer): Promise<void> {
    await sending;
    const number = parts.length + 1;
    sending = send(number, body);
    sending.catch(() => {});
  }

  try {
    let held: Buffer = Buffer.allocUnsafe(Math.min(partBytes, Math.max(1, sizeBytes - bytesBefore)));
    let filled = 0;
    for await (const piece of read(bytesBefore)) {
      either.throwIfAborted();
      hash?.update(piece);
      bytes += piece.byteLength;
      // More than was announced: the file grew, and what came is not what would be verified.
      if (bytes > sizeBytes) break;
      let at = 0;
      while (at < piece.byteLength) {
        const count = Math.min(held.length - filled, piece.byteLength - at);
        held.set(piece.subarray(at, at + count), filled);
        filled += count;
        at += count;
        if (filled < held.length) continue;
        await begin(held);
        held = Buffer.allocUnsafe(
          Math.min(partBytes, Math.max(1, sizeBytes - bytesBefore - (parts.length + 1 - finished.length) * partBytes)),
        );
        filled = 0;
      }
    }
    if (bytes <= sizeBytes && (filled > 0 || (parts.length === 0 && sending === undefined)))
      await begin(held.subarray(0, filled));
    await sending;
    await progress.end();
    either.throwIfAborted();
  } catch (error) {
    await Promise.allSettled([sending]);
    await progress.end().catch(() => {});
    throw lost.signal.aborted ? lost.signal.reason : error;
  }
  return { parts, sizeBytes: bytes, sha256: hash?.digest('hex') ?? null };
}

function isGoneOnWith(
  left: TransferFacts & { readonly isAborting: boolean },
  facts: TransferFacts,
  { canResume }: PullObjectRequest,
): boolean {
  return (
    canResume &&
    !left.isAborting &&
    left.plan === 'pulled' &&
    left.sourceEtag === facts.sourceEtag &&
    left.sizeBytes === facts.sizeBytes &&
    left.partBytes === facts.partBytes &&
    left.target.bucket === facts.target.bucket &&
    left.target.key === facts.target.key
  );
}

/** Parts from the first on, without a gap, each as long as it has to be. */
function wholeBeginning(listed: readonly FinishedPart[], partBytes: number, sizeBytes: number): FinishedPart[] {
  const byNumber = new Map(listed.map((part) => [part.number, part]));
  const whole: FinishedPart[] = [];
  for (let number = 1; ; number += 1) {
    const part = byNumber.get(number);
    const expected = Math.min(partBytes, sizeBytes - (number - 1) * partBytes);
    if (part === undefined || expected <= 0 || part.sizeBytes !== expected) return whole;
    whole.push(part);
  }
}

type Version = Pick<PulledObject, 'versionId' | 'etag' | 'sizeBytes'>;

async function versionOf(
  client: S3Client,
  request: PullObjectRequest,
  { versionId, etag }: { readonly versionId?: string; readonly etag: string },
): Promise<Version> {
  if (versionId !== undefined) return { versionId, etag, sizeBytes: request.sizeBytes };
  const found = await findPulled(client, request, request.target);
  if (found !== undefined) return found;
  throw new ObjectStoreError('unavailable', `${nameOf(request.target)} is not there after it was completed`);
}

/** The newest versions of the key alone: a pull is the latest or nearly so. One that has left the bucket is known as a file. */
async function findPulled(
  client: S3Client,
  { mark, signal, findRegistered }: PullObjectRequest,
  { bucket, key }: PullObjectRequest['target'],
): Promise<Version | undefined> {
  const { items } = await listVersions(client, { bucket, prefix: key, limit: MOST_VERSIONS, signal });
  for (const item of items) {
    if (item.key !== key || item.isDeleteMarker) continue;
    const head = await headObject(client, { bucket, key, versionId: item.versionId }, { signal });
    if (head === 'not-found' || head.metadata[PULL_MARK] !== mark) continue;
    return { versionId: item.versionId, etag: head.etag, sizeBytes: head.sizeBytes };
  }
  return await findRegistered();
}
