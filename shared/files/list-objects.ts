/** Pages of what is in a bucket. Keys travel URL-encoded, because XML cannot carry every key that S3 takes. */
import { ListMultipartUploadsCommand, ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3';
import { storeCall } from './classify-store-error.ts';
import type { ListedUpload, ListedVersion, ListRequest, Page, UploadCursor, VersionCursor } from './object-store.ts';
import { abortable } from './read-object.ts';

export async function listVersions(
  client: S3Client,
  { bucket, prefix, after, limit, signal }: ListRequest<VersionCursor>,
): Promise<Page<ListedVersion, VersionCursor>> {
  const reply = await storeCall(`list the versions of ${bucket}`, signal, () =>
    client.send(
      new ListObjectVersionsCommand({
        Bucket: bucket,
        Prefix: prefix,
        KeyMarker: after?.key,
        VersionIdMarker: after?.versionId,
        MaxKeys: limit,
        EncodingType: 'url',
      }),
      abortable(signal),
    ),
  );
  const versions = (reply.Versions ?? []).map(
    (version): ListedVersion => ({
      key: decodeKey(version.Key),
      versionId: version.VersionId ?? 'null',
      isLatest: version.IsLatest ?? false,
      isDeleteMarker: false,
      sizeBytes: version.Size ?? 0,
      ...(version.ETag !== undefined && { etag: version.ETag }),
      lastModified: version.LastModified ?? new Date(0),
    }),
  );
  const markers = (reply.DeleteMarkers ?? []).map(
    (marker): ListedVersion => ({
      key: decodeKey(marker.Key),
      versionId: marker.VersionId ?? 'null',
      isLatest: marker.IsLatest ?? false,
      isDeleteMarker: true,
      sizeBytes: 0,
      lastModified: marker.LastModified ?? new Date(0),
    }),
  );
  return {
    items: [...versions, ...markers].sort(byKeyAndNewestFirst),
    ...(reply.IsTruncated === true &&
      reply.NextKeyMarker !== undefined && {
        next: {
          key: decodeKey(reply.NextKeyMarker),
          ...(reply.NextVersionIdMarker !== undefined && { versionId: reply.NextVersionIdMarker }),
        },
      }),
  };
}

export async function listMultipartUploads(
  client: S3Client,
  { bucket, prefix, after, limit, signal }: ListRequest<UploadCursor>,
): Promise<Page<ListedUpload, UploadCursor>> {
  const reply = await storeCall(`list the uploads of ${bucket}`, signal, () =>
    client.send(
      new ListMultipartUploadsCommand({
        Bucket: bucket,
        Prefix: prefix,
        KeyMarker: after?.key,
        UploadIdMarker: after?.uploadId,
        MaxUploads: limit,
        EncodingType: 'url',
      }),
      abortable(signal),
    ),
  );
  return {
    items: (reply.Uploads ?? []).map((upload) => ({
      key: decodeKey(upload.Key),
      uploadId: upload.UploadId ?? '',
      initiated: upload.Initiated ?? new Date(0),
    })),
    ...(reply.IsTruncated === true &&
      reply.NextKeyMarker !== undefined && {
        next: {
          key: decodeKey(reply.NextKeyMarker),
          ...(reply.NextUploadIdMarker !== undefined && { uploadId: reply.NextUploadIdMarker }),
        },
      }),
  };
}

function decodeKey(encoded: string | undefined): string {
  return decodeURIComponent((encoded ?? '').replaceAll('+', ' '));
}

function byKeyAndNewestFirst(left: ListedVersion, right: ListedVersion): number {
  if (left.key !== right.key) return Buffer.compare(Buffer.from(left.key), Buffer.from(right.key));
  if (left.isLatest !== right.isLatest) return left.isLatest ? -1 : 1;
  return right.lastModified.getTime() - left.lastModified.getTime();
}
