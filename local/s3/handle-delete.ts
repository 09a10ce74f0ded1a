/** DeleteObject and DeleteObjects: a version for good, or a delete marker over the current one. */
import type { Bucket } from '#local/s3/bucket-store.ts';
import { checkDeleteConditions, type DeleteConditions } from '#local/s3/conditions.ts';
import { checkVersionId } from '#local/s3/find-version.ts';
import { header, type S3Call, type S3Reply, xmlReply } from '#local/s3/handler.ts';
import type { ObjectStore } from '#local/s3/object-store.ts';
import { receiveText } from '#local/s3/receive-body.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { NULL_VERSION } from '#local/s3/version-store.ts';
import { buildXml, childText, malformedXml, parseXml, type XmlNode } from '#local/s3/xml.ts';

/** A thousand keys of 1,024 bytes, each byte escaped, and their version ids. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const MAX_KEYS = 1000;

interface DeleteTarget {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly conditions: DeleteConditions;
}

interface Deleted {
  /** The version that is gone, or that of the new marker. */
  readonly versionId?: string;
  readonly isDeleteMarker: boolean;
}

export function handleDeleteObject(call: S3Call): S3Reply {
  const { store, request } = call;
  const bucket = store.buckets.get(request.bucket);
  const { versionId, isDeleteMarker } = store.transact(() => {
    const conditions = {
      etag: header(call, 'if-match'),
      lastModified: header(call, 'x-amz-if-match-last-modified-time'),
      sizeBytes: header(call, 'x-amz-if-match-size'),
    };
    return deleteVersion(store, bucket, { key: request.key, versionId: request.query.get('versionId'), conditions });
  });
  return {
    status: 204,
    headers: {
      ...(versionId === undefined ? {} : { 'x-amz-version-id': versionId }),
      ...(isDeleteMarker ? { 'x-amz-delete-marker': 'true' } : {}),
    },
  };
}

export async function handleDeleteObjects(call: S3Call): Promise<S3Reply> {
  const { store, request } = call;
  const bucket = store.buckets.get(request.bucket);
  const document = await parseXml(await receiveText(call, MAX_DOCUMENT_BYTES), 'Delete');
  const targets = document.children.filter(({ name }) => name === 'Object');
  if (targets.length === 0 || targets.length > MAX_KEYS) throw malformedXml();
  const isQuiet = childText(document, 'Quiet') === 'true';
  const nodes = store.transact(() =>
    targets.flatMap((target): XmlNode[] => {
      const key = childText(target, 'Key');
      if (key === undefined || key === '') throw malformedXml();
      const conditions = {
        etag: childText(target, 'ETag'),
        lastModified: childText(target, 'LastModifiedTime'),
        sizeBytes: childText(target, 'Size'),
      };
      return deleteOne(store, bucket, { key, versionId: childText(target, 'VersionId'), conditions }, isQuiet);
    }),
  );
  return xmlReply(buildXml('DeleteResult', nodes));
}

/** One key's failure is its own entry; the others continue. */
function deleteOne(store: ObjectStore, bucket: Bucket, target: DeleteTarget, isQuiet: boolean): XmlNode[] {
  const { key, versionId } = target;
  const named: XmlNode[] = [
    ['Key', key],
    ['VersionId', versionId],
  ];
  try {
    const deleted = deleteVersion(store, bucket, target);
    if (isQuiet) return [];
    const marker: XmlNode[] = deleted.isDeleteMarker
      ? [
          ['DeleteMarker', true],
          ['DeleteMarkerVersionId', deleted.versionId],
        ]
      : [];
    return [['Deleted', [...named, ...marker]]];
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return [['Error', [...named, ['Code', error.code], ['Message', error.message]]]];
  }
}

/** Inside a transaction. What is not there counts as deleted. */
function deleteVersion(store: ObjectStore, bucket: Bucket, { key, versionId, conditions }: DeleteTarget): Deleted {
  if (versionId !== undefined) {
    checkVersionId(versionId);
    const version = store.versions.find(bucket.id, key, versionId);
    checkDeleteConditions(conditions, version);
    if (version !== undefined) store.removeVersion(version);
    return { versionId, isDeleteMarker: version?.isDeleteMarker === true };
  }
  const current = store.versions.findLatest(bucket.id, key);
  // A condition on what never was there leaves no marker either.
  if (current === undefined && Object.values(conditions).some((condition) => condition !== undefined))
    return { isDeleteMarker: false };
  checkDeleteConditions(conditions, current);
  if (bucket.versioning === 'Off') {
    const version = store.versions.find(bucket.id, key, NULL_VERSION);
    if (version !== undefined) store.removeVersion(version);
    return { isDeleteMarker: false };
  }
  return { versionId: store.addDeleteMarker(bucket, key).versionId, isDeleteMarker: true };
}
