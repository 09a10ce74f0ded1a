/** Finds the version that a read names, or answers as S3 does when it is not there or is a delete marker. */
import type { Bucket } from '#local/s3/bucket-store.ts';
import type { ObjectStore } from '#local/s3/object-store.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { isVersionId, type ObjectVersion } from '#local/s3/version-store.ts';

interface VersionName {
  readonly bucket: Bucket;
  readonly key: string;
  /** The current one when absent. */
  readonly versionId: string | undefined;
}

/** A version with a body. @throws S3Error `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed`, `InvalidArgument`. */
export function getVersion(
  { versions }: ObjectStore,
  { bucket, key, versionId }: VersionName,
): ObjectVersion & { readonly bodyId: number } {
  if (versionId !== undefined) checkVersionId(versionId);
  const version =
    versionId === undefined ? versions.findLatest(bucket.id, key) : versions.find(bucket.id, key, versionId);
  if (version === undefined) {
    if (versionId === undefined) throw new S3Error('NoSuchKey', 'The specified key does not exist.');
    throw new S3Error('NoSuchVersion', 'The specified version does not exist.');
  }
  const { bodyId } = version;
  if (bodyId !== undefined) return { ...version, bodyId };
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': version.versionId };
  if (versionId === undefined) throw new S3Error('NoSuchKey', 'The specified key does not exist.', headers);
  throw new S3Error('MethodNotAllowed', 'The specified method is not allowed against a delete marker.', headers);
}

export function checkVersionId(versionId: string): void {
  if (!isVersionId(versionId)) throw new S3Error('InvalidArgument', 'Invalid version id specified');
}
