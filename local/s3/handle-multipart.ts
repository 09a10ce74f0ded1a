/**
 * Multipart uploads: create, part, complete, abort. UploadPartCopy is with the copies.
 *
 * 1. Completing moves no bytes: the object's body is the list of its parts, and its checksum comes from theirs.
 */
import { createHash } from 'node:crypto';
import {
  type Checksum,
  checksumElement,
  checksumHeader,
  createDigest,
  DEFAULT_ALGORITHM,
  multipartChecksum,
  multipartChecksumType,
} from '#local/s3/checksum.ts';
import { checkWriteConditions } from '#local/s3/conditions.ts';
import { getUpload, readPartNumber } from '#local/s3/find-upload.ts';
import { MAX_PUT_BYTES } from '#local/s3/handle-object.ts';
import { header, type S3Call, type S3Reply, xmlReply } from '#local/s3/handler.ts';
import { readObjectHeaders, readTagHeader, versionHeader } from '#local/s3/object-headers.ts';
import { algorithmHeader, receiveBody, receiveText } from '#local/s3/receive-body.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { encodeKey } from '#local/s3/s3-request.ts';
import { createUploadId, type Upload, type UploadPart } from '#local/s3/upload-store.ts';
import type { ObjectVersion } from '#local/s3/version-store.ts';
import { buildXml, childText, malformedXml, parseXml, type XmlElement } from '#local/s3/xml.ts';

const MAX_PARTS = 10_000;
/** 10,000 parts, each with its number, ETag and a checksum. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

export function handleCreateUpload(call: S3Call): S3Reply {
  const { store, request, auth } = call;
  const bucket = store.buckets.get(request.bucket);
  const checksumAlgorithm = algorithmHeader(call, 'x-amz-checksum-algorithm') ?? DEFAULT_ALGORITHM;
  const checksumType = multipartChecksumType(checksumAlgorithm, header(call, 'x-amz-checksum-type')?.toUpperCase());
  if (checksumType === undefined)
    throw new S3Error('InvalidRequest', `The checksum type cannot be used with the ${checksumAlgorithm} algorithm.`);
  const id = createUploadId(store.nextNumber());
  const details = { ...readObjectHeaders(call), tags: readTagHeader(call) };
  const place = { id, bucketId: bucket.id, key: request.key, createdMs: store.now(), requester: auth.requester };
  store.uploads.insert({ ...place, details, checksumAlgorithm, checksumType });
  const document = buildXml('InitiateMultipartUploadResult', [
    ['Bucket', bucket.name],
    ['Key', request.key],
    ['UploadId', id],
  ]);
  return xmlReply(document, {
    'x-amz-checksum-algorithm': checksumAlgorithm,
    'x-amz-checksum-type': checksumType,
  });
}

export async function handleUploadPart(call: S3Call): Promise<S3Reply> {
  const { store } = call;
  const number = readPartNumber(call);
  const { checksumAlgorithm } = getUpload(call);
  const staged = store.bodies.stage();
  try {
    const write = (chunk: Buffer) => staged.write(chunk);
    const algorithms = ['MD5', checksumAlgorithm] as const;
    const { digests, sizeBytes } = await receiveBody(call, { maxBytes: MAX_PUT_BYTES, algorithms, write });
    await staged.finish();
    const etag = digests.get('MD5')!.toString('hex');
    const checksum = digests.get(checksumAlgorithm)!.toString('base64');
    store.transact(() => {
      // It may have been completed or aborted while the body came.
      const { id: uploadId } = getUpload(call);
      const bodyId = store.bodies.insert(staged);
      const modifiedMs = store.now();
      const replaced = store.uploads.replacePart({ uploadId, number, sizeBytes, etag, modifiedMs, bodyId, checksum });
      if (replaced !== undefined) store.bodies.release(replaced.bodyId);
    });
    return { status: 200, headers: { etag: `"${etag}"`, [checksumHeader(checksumAlgorithm)]: checksum } };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

export function handleAbortUpload(call: S3Call): S3Reply {
  const { store } = call;
  store.transact(() => store.abortUpload(getUpload(call)));
  return { status: 204 };
}

export async function handleCompleteUpload(call: S3Call): Promise<S3Reply> {
  const completed = findCompleted(call);
  if (completed === undefined) getUpload(call);
  // A checksum in the headers is the object's.
  const text = await receiveText(call, MAX_DOCUMENT_BYTES, { hasClientChecksum: false });
  const document = await parseXml(text, 'CompleteMultipartUpload');
  if (completed !== undefined && completed.etag === multipartEtag(etagsIn(document)))
    return completionReply(call, completed);
  await readUnread(call, document);
  return completionReply(
    call,
    call.store.transact(() => completeUpload(call, document)),
  );
}

/** A client that did not get the reply asks again, and gets the same. */
function findCompleted({ store, request }: S3Call): ObjectVersion | undefined {
  const version = store.versions.findLatest(store.buckets.get(request.bucket).id, request.key);
  return version?.details.uploadId === request.query.get('uploadId') ? version : undefined;
}

function completionReply({ request }: S3Call, version: ObjectVersion): S3Reply {
  const { bucket, key } = request;
  const { checksum } = version.details;
  const result = buildXml('CompleteMultipartUploadResult', [
    ['Location', `http://${request.message.headers.host}/${bucket}/${encodeKey(key)}`],
    ['Bucket', bucket],
    ['Key', key],
    ['ETag', `"${version.etag}"`],
    ...(checksum === undefined
      ? []
      : ([
          [checksumElement(checksum.algorithm), checksum.value],
          ['ChecksumType', checksum.type],
        ] as const)),
  ]);
  return xmlReply(result, versionHeader(version));
}

/** Where copied parts come to be all of their source, its checksum. */
function wholeChecksum({ store }: S3Call, parts: readonly UploadPart[]): Checksum | undefined {
  if (parts.every(({ checksum }) => checksum !== '')) return undefined;
  const whole = store.bodies.wholeOf(parts.map(({ bodyId }) => bodyId));
  return whole === undefined ? undefined : store.bodies.findChecksum(whole);
}

/** Copied parts whose checksum nothing else gives. */
async function readUnread(call: S3Call, document: XmlElement): Promise<void> {
  const { store } = call;
  const upload = getUpload(call);
  const parts = chooseParts({
    document,
    upload,
    stored: store.uploads.listParts(upload.id, 0, MAX_PARTS),
    smallestBytes: store.smallestPartBytes,
  });
  if (wholeChecksum(call, parts) !== undefined) return;
  for (const part of parts.filter(({ checksum }) => checksum === '')) {
    const body = store.bodies.open(part.bodyId);
    try {
      const digest = createDigest(upload.checksumAlgorithm);
      for await (const chunk of body.read(0, part.sizeBytes)) digest.update(chunk);
      store.uploads.setChecksum(part, digest.digest().toString('base64'));
    } finally {
      body.close();
    }
  }
}

/** Inside a transaction. */
function completeUpload(call: S3Call, document: XmlElement): ObjectVersion {
  const { store, request } = call;
  const upload = getUpload(call);
  const bucket = store.buckets.get(request.bucket);
  checkWriteConditions(request.message.headers, store.versions.findLatest(bucket.id, upload.key));
  const stored = store.uploads.listParts(upload.id, 0, MAX_PARTS);
  const parts = chooseParts({ document, upload, stored, smallestBytes: store.smallestPartBytes });

  const etag = multipartEtag(parts.map((part) => part.etag));
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  const checksum =
    wholeChecksum(call, parts) ??
    multipartChecksum(
      upload.checksumAlgorithm,
      upload.checksumType,
      parts.map((part) => ({ value: part.checksum, sizeBytes: part.sizeBytes })),
    );
  checkWholeObject(call, checksum.value, sizeBytes);

  const bodyId = store.bodies.compose(parts.map((part) => part.bodyId));
  const chosen = new Set(parts);
  for (const part of stored) if (!chosen.has(part)) store.bodies.release(part.bodyId);
  store.uploads.remove(upload);
  const details = { ...upload.details, checksum, uploadId: upload.id };
  const content = { key: upload.key, sizeBytes, etag, details, bodyId };
  const origin = { reason: 'CompleteMultipartUpload', requester: call.auth.requester } as const;
  return store.addObject({ bucket, ...content, ...origin });
}

function multipartEtag(etags: readonly string[]): string {
  const md5 = createHash('md5');
  for (const etag of etags) md5.update(Buffer.from(etag, 'hex'));
  return `${md5.digest('hex')}-${etags.length}`;
}

function etagsIn(document: XmlElement): string[] {
  return document.children.flatMap((part) => (part.name === 'Part' ? (etagOf(part) ?? []) : []));
}

function etagOf(part: XmlElement): string | undefined {
  return childText(part, 'ETag')?.replace(/^"|"$/g, '');
}

function chooseParts(options: {
  document: XmlElement;
  upload: Upload;
  stored: readonly UploadPart[];
  smallestBytes: number;
}): UploadPart[] {
  const { document, upload, stored, smallestBytes } = options;
  const byNumber = new Map(stored.map((part) => [part.number, part]));
  const wanted = document.children.filter(({ name }) => name === 'Part');
  if (wanted.length === 0 || wanted.length > MAX_PARTS) throw malformedXml();
  let previous = 0;
  const parts = wanted.map((element) => {
    const number = Number(childText(element, 'PartNumber') ?? Number.NaN);
    if (!Number.isInteger(number)) throw malformedXml();
    if (number <= previous)
      throw new S3Error(
        'InvalidPartOrder',
        'The list of parts was not in ascending order. Parts must be ordered by part number.',
      );
    previous = number;
    const part = byNumber.get(number);
    const etag = etagOf(element);
    const checksum = childText(element, checksumElement(upload.checksumAlgorithm));
    if (part === undefined || part.etag !== etag || (checksum !== undefined && checksum !== part.checksum))
      throw new S3Error(
        'InvalidPart',
        `Part ${number} could not be found. It may not have been uploaded, or its entity tag or checksum does not match.`,
      );
    return part;
  });
  if (parts.slice(0, -1).some((part) => part.sizeBytes < smallestBytes))
    throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
  return parts;
}

/** `x-amz-mp-object-size` and a checksum of the whole, where the client gives them. */
function checkWholeObject(call: S3Call, checksum: string, sizeBytes: number): void {
  const declaredSize = header(call, 'x-amz-mp-object-size');
  if (declaredSize !== undefined && Number(declaredSize) !== sizeBytes)
    throw new S3Error('InvalidRequest', 'The size of the parts together is not the x-amz-mp-object-size given.');
  const { checksumAlgorithm } = getUpload(call);
  const declared = header(call, checksumHeader(checksumAlgorithm));
  // Composite checksums are given with or without their number of parts.
  if (declared !== undefined && declared !== checksum && declared !== checksum.replace(/-\d+$/, ''))
    throw new S3Error('BadDigest', `The ${checksumAlgorithm} you specified did not match the calculated checksum.`);
}
