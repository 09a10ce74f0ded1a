/**
 * CopyObject and UploadPartCopy.
 *
 * 1. A copy of an object moves no bytes: bodies are immutable, so the new version refers to the same one, checksum and ETag included.
 * 2. A copied part is a range of the source's body. It is not read where the checksum of the source as a whole is known: when the parts
 *    come to be all of the source, theirs is the same, and what is not is read at completion.
 */
import { createHash } from 'node:crypto';
import { parseCopyRange } from '#local/s3/byte-range.ts';
import { type Checksum, type ChecksumAlgorithm, checksumElement, createDigest } from '#local/s3/checksum.ts';
import { checkReadable, readStorageClass } from '#local/s3/cold-tiers.ts';
import { checkCopySourceConditions, checkWriteConditions } from '#local/s3/conditions.ts';
import { getUpload, readPartNumber } from '#local/s3/find-upload.ts';
import { getVersion } from '#local/s3/find-version.ts';
import { MAX_PUT_BYTES } from '#local/s3/handle-object.ts';
import { header, isoTime, type S3Call, type S3Reply, xmlReply } from '#local/s3/handler.ts';
import { readObjectHeaders, readTagHeader, versionHeader } from '#local/s3/object-headers.ts';
import { algorithmHeader } from '#local/s3/receive-body.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { parseCopySource } from '#local/s3/s3-request.ts';
import type { ObjectDetails } from '#local/s3/version-store.ts';
import { buildXml, type XmlNode } from '#local/s3/xml.ts';

export async function handleCopyObject(call: S3Call): Promise<S3Reply> {
  const { store, request, auth } = call;
  const { key } = request;
  const source = findSource(call);
  const replacesMetadata = readDirective(call, 'x-amz-metadata-directive');
  const replacesTags = readDirective(call, 'x-amz-tagging-directive');
  if (source.sizeBytes > MAX_PUT_BYTES) throw tooLarge();
  const isMoved = readStorageClass(call).storageClass !== source.details.storageClass;
  if (source.isCurrentOf(request) && !replacesMetadata && !replacesTags && !isMoved)
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.",
    );
  const { headers, metadata } = replacesMetadata ? readObjectHeaders(call) : source.details;
  const storageClass = readStorageClass(call);
  const tags = replacesTags ? readTagHeader(call) : source.details.tags;

  // Pinned over the digest, so that a delete of the source meanwhile does not take the body away.
  const body = store.bodies.open(source.bodyId);
  try {
    const checksum = await copiedChecksum(call, source, () => body.read(0, source.sizeBytes));
    const details: ObjectDetails = {
      headers,
      metadata,
      tags,
      ...storageClass,
      ...(checksum === undefined ? {} : { checksum }),
    };
    const version = store.transact(() => {
      const bucket = store.buckets.get(request.bucket);
      checkWriteConditions(request.message.headers, store.versions.findLatest(bucket.id, key));
      store.bodies.retain(source.bodyId);
      const { sizeBytes, etag, bodyId } = source;
      const content = { sizeBytes, etag, details, bodyId };
      return store.addObject({ bucket, key, ...content, reason: 'CopyObject', requester: auth.requester });
    });
    const nodes: XmlNode[] = [
      ['LastModified', isoTime(version.modifiedMs)],
      ['ETag', `"${version.etag}"`],
    ];
    if (checksum !== undefined)
      nodes.push(['ChecksumType', checksum.type], [checksumElement(checksum.algorithm), checksum.value]);
    return xmlReply(buildXml('CopyObjectResult', nodes), { ...versionHeader(version), ...sourceHeader(source) });
  } finally {
    body.close();
  }
}

export async function handleUploadPartCopy(call: S3Call): Promise<S3Reply> {
  const { store } = call;
  const number = readPartNumber(call);
  const upload = getUpload(call);
  const source = findSource(call);
  const rangeHeader = header(call, 'x-amz-copy-source-range');
  const range =
    rangeHeader === undefined ? { start: 0, end: source.sizeBytes } : parseCopyRange(rangeHeader, source.sizeBytes);
  if (range.end - range.start > MAX_PUT_BYTES) throw tooLarge();

  const body = store.bodies.open(source.bodyId);
  try {
    const known = source.details.checksum;
    const isLeftUnread =
      upload.checksumType === 'FULL_OBJECT' &&
      known?.type === 'FULL_OBJECT' &&
      known.algorithm === upload.checksumAlgorithm;
    const { etag, checksum } = isLeftUnread
      ? { etag: unreadEtag(source, range), checksum: '' }
      : await readDigests(body.read(range.start, range.end), upload.checksumAlgorithm);
    const modifiedMs = store.now();
    store.transact(() => {
      // It may have been completed or aborted while the source was read.
      const { id: uploadId } = getUpload(call);
      const bodyId = store.bodies.slice(source.bodyId, range.start, range.end);
      const sizeBytes = range.end - range.start;
      const replaced = store.uploads.replacePart({ uploadId, number, sizeBytes, etag, modifiedMs, bodyId, checksum });
      if (replaced !== undefined) store.bodies.release(replaced.bodyId);
      if (known !== undefined && isLeftUnread) store.bodies.noteChecksum(source.bodyId, known);
    });
    const nodes: XmlNode[] = [
      ['LastModified', isoTime(modifiedMs)],
      ['ETag', `"${etag}"`],
      [checksumElement(upload.checksumAlgorithm), checksum === '' ? undefined : checksum],
    ];
    return xmlReply(buildXml('CopyPartResult', nodes), sourceHeader(source));
  } finally {
    body.close();
  }
}

async function readDigests(content: AsyncIterable<Buffer>, algorithm: ChecksumAlgorithm) {
  const md5 = createDigest('MD5');
  const digest = createDigest(algorithm);
  for await (const chunk of content) {
    md5.update(chunk);
    digest.update(chunk);
  }
  return { etag: md5.digest().toString('hex'), checksum: digest.digest().toString('base64') };
}

/** As S3's own of what is encrypted by a key service: one that says nothing of the bytes. Bodies never change, so it is theirs permanently. */
function unreadEtag({ bodyId }: Source, { start, end }: { start: number; end: number }): string {
  return createHash('md5').update(`${bodyId} ${start} ${end}`).digest('hex');
}

type Source = ReturnType<typeof findSource>;

function findSource(call: S3Call) {
  const { bucket: bucketName, key, versionId } = parseCopySource(header(call, 'x-amz-copy-source') ?? '');
  const bucket = call.store.buckets.get(bucketName);
  const version = getSourceVersion(call, { bucket, key, versionId });
  checkCopySourceConditions(call.request.message.headers, version);
  checkReadable(version, call.store.now());
  const isCurrentOf = (target: { bucket: string; key: string }) =>
    versionId === undefined && target.bucket === bucketName && target.key === key;
  return { ...version, isCurrentOf };
}

/** A delete marker named as a source is a bad request, not a forbidden method. */
function getSourceVersion(call: S3Call, name: Parameters<typeof getVersion>[1]): ReturnType<typeof getVersion> {
  try {
    return getVersion(call.store, name);
  } catch (error) {
    if (error instanceof S3Error && error.code === 'MethodNotAllowed')
      throw new S3Error(
        'InvalidRequest',
        'The source of a copy request may not specifically refer to a delete marker.',
      );
    throw error;
  }
}

/** The source's checksum where it is what was asked for; otherwise the body is read for it. */
async function copiedChecksum(
  call: S3Call,
  source: Source,
  read: () => AsyncIterable<Buffer>,
): Promise<Checksum | undefined> {
  const known = source.details.checksum;
  const wanted: ChecksumAlgorithm | undefined = algorithmHeader(call, 'x-amz-checksum-algorithm');
  if (wanted === undefined || (known?.algorithm === wanted && known.type === 'FULL_OBJECT')) return known;
  const digest = createDigest(wanted);
  for await (const chunk of read()) digest.update(chunk);
  return { algorithm: wanted, value: digest.digest().toString('base64'), type: 'FULL_OBJECT' };
}

/** Whether the directive says REPLACE. */
function readDirective(call: S3Call, name: string): boolean {
  const value = header(call, name) ?? 'COPY';
  if (value !== 'COPY' && value !== 'REPLACE') throw new S3Error('InvalidArgument', `Unknown value of ${name}.`);
  return value === 'REPLACE';
}

function sourceHeader(source: Source): Record<string, string> {
  const versionId = versionHeader(source)['x-amz-version-id'];
  return versionId === undefined ? {} : { 'x-amz-copy-source-version-id': versionId };
}

function tooLarge(): S3Error {
  return new S3Error(
    'InvalidRequest',
    `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_PUT_BYTES}`,
  );
}
