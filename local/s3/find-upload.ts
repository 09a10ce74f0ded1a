/** Finds the multipart upload and the part that a request names. */
import type { S3Call } from '#local/s3/handler.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import type { Upload } from '#local/s3/upload-store.ts';

const MAX_PART_NUMBER = 10_000;

/** @throws S3Error `NoSuchUpload`. */
export function getUpload({ store, request }: S3Call): Upload {
  const bucket = store.buckets.get(request.bucket);
  const upload = store.uploads.find(bucket.id, request.key, request.query.get('uploadId') ?? '');
  if (upload === undefined)
    throw new S3Error(
      'NoSuchUpload',
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
    );
  return upload;
}

/** @throws S3Error `InvalidArgument`. */
export function readPartNumber({ request }: S3Call): number {
  const text = request.query.get('partNumber') ?? '';
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > MAX_PART_NUMBER)
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  return number;
}
