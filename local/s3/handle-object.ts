/** GetObject, HeadObject, PutObject and the tags of an object. */
import { parseRange } from '#local/s3/byte-range.ts';
import { type ChecksumAlgorithm, checksumHeader, DEFAULT_ALGORITHM } from '#local/s3/checksum.ts';
import { checkReadable } from '#local/s3/cold-tiers.ts';
import { checkReadConditions, checkWriteConditions } from '#local/s3/conditions.ts';
import { getVersion } from '#local/s3/find-version.ts';
import { header, type S3Call, type S3Reply, xmlReply } from '#local/s3/handler.ts';
import {
  objectHeaders,
  readObjectHeaders,
  readTagDocument,
  readTagHeader,
  versionHeader,
} from '#local/s3/object-headers.ts';
import { clientAlgorithm, receiveBody, receiveText } from '#local/s3/receive-body.ts';
import type { ObjectVersion } from '#local/s3/version-store.ts';
import { buildXml, parseXml } from '#local/s3/xml.ts';

/** Amazon S3: one PutObject or one part takes at most 5 GiB. */
export const MAX_PUT_BYTES = 5 * 1024 ** 3;
const MAX_DOCUMENT_BYTES = 64 * 1024;

/** HeadObject too: the server sends no body for it. */
export function handleGetObject(call: S3Call): S3Reply {
  const { store, request } = call;
  const version = requestedVersion(call);
  if (checkReadConditions(request.message.headers, version) === 304)
    return { status: 304, headers: { etag: `"${version.etag}"`, ...versionHeader(version) } };
  if (request.method !== 'HEAD') checkReadable(version, store.now());
  const range = parseRange(header(call, 'range'), version.sizeBytes);
  const { start, end } = range ?? { start: 0, end: version.sizeBytes };
  const headers = objectHeaders(call, version, range === undefined);
  headers['content-length'] = String(end - start);
  if (range !== undefined) headers['content-range'] = `bytes ${start}-${end - 1}/${version.sizeBytes}`;
  const status = range === undefined ? 200 : 206;
  if (request.method === 'HEAD') return { status, headers };
  return { status, headers, content: { body: store.bodies.open(version.bodyId), start, end } };
}

export async function handlePutObject(call: S3Call): Promise<S3Reply> {
  const { store, request, auth } = call;
  const bucket = store.buckets.get(request.bucket);
  const details = { ...readObjectHeaders(call), tags: readTagHeader(call) };
  const { key } = request;
  const checkConditions = () =>
    checkWriteConditions(request.message.headers, store.versions.findLatest(bucket.id, key));
  checkConditions();

  const algorithm: ChecksumAlgorithm = clientAlgorithm(call) ?? DEFAULT_ALGORITHM;
  const staged = store.bodies.stage();
  try {
    const write = (chunk: Buffer) => staged.write(chunk);
    const received = await receiveBody(call, { maxBytes: MAX_PUT_BYTES, algorithms: ['MD5', algorithm], write });
    await staged.finish();
    const etag = received.digests.get('MD5')!.toString('hex');
    const value = received.digests.get(algorithm)!.toString('base64');
    const version = store.transact(() => {
      checkConditions();
      const bodyId = store.bodies.insert(staged);
      const checksum = { algorithm, value, type: 'FULL_OBJECT' } as const;
      const content = { sizeBytes: staged.sizeBytes, etag, details: { ...details, checksum }, bodyId };
      // Looked up again: its versioning may have changed while the body came.
      const current = store.buckets.get(request.bucket);
      return store.addObject({ bucket: current, key, ...content, reason: 'PutObject', requester: auth.requester });
    });
    return {
      status: 200,
      headers: {
        ...versionHeader(version),
        etag: `"${etag}"`,
        [checksumHeader(algorithm)]: value,
        'x-amz-checksum-type': 'FULL_OBJECT',
      },
    };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

export function handleGetObjectTagging(call: S3Call): S3Reply {
  const version = requestedVersion(call);
  const byKey = version.details.tags.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const tags = byKey.map(
    ([key, value]) =>
      [
        'Tag',
        [
          ['Key', key],
          ['Value', value],
        ],
      ] as const,
  );
  return xmlReply(buildXml('Tagging', [['TagSet', tags]]), versionHeader(version));
}

export async function handlePutObjectTagging(call: S3Call): Promise<S3Reply> {
  const tags = readTagDocument(await parseXml(await receiveText(call, MAX_DOCUMENT_BYTES), 'Tagging'));
  return setTags(call, tags, 200);
}

export function handleDeleteObjectTagging(call: S3Call): S3Reply {
  return setTags(call, [], 204);
}

function setTags(call: S3Call, tags: ObjectVersion['details']['tags'], status: number): S3Reply {
  const { store, request } = call;
  const version = requestedVersion(call);
  store.transact(() => store.setTags(store.buckets.get(request.bucket), version, tags));
  return { status, headers: versionHeader(version) };
}

function requestedVersion({ store, request }: S3Call) {
  const bucket = store.buckets.get(request.bucket);
  return getVersion(store, { bucket, key: request.key, versionId: request.query.get('versionId') });
}
