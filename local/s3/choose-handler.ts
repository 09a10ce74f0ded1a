/**
 * From a request's method, place and subresource to the operation that it asks for.
 *
 * 1. A subresource that is not there is refused: taken for a plain request, `PUT ?acl` would overwrite the object.
 */

import { handleRestoreObject } from '#local/s3/cold-tiers.ts';
import {
  handleCreateBucket,
  handleDeleteBucket,
  handleGetBucketLocation,
  handleGetBucketNotification,
  handleGetBucketVersioning,
  handleHeadBucket,
  handleListBuckets,
  handlePutBucketNotification,
  handlePutBucketVersioning,
} from '#local/s3/handle-bucket.ts';
import { handleCopyObject, handleUploadPartCopy } from '#local/s3/handle-copy.ts';
import { handleDeleteObject, handleDeleteObjects } from '#local/s3/handle-delete.ts';
import { handleListObjects, handleListObjectsV2, handleListVersions } from '#local/s3/handle-list.ts';
import { handleListParts, handleListUploads } from '#local/s3/handle-list-uploads.ts';
import {
  handleAbortUpload,
  handleCompleteUpload,
  handleCreateUpload,
  handleUploadPart,
} from '#local/s3/handle-multipart.ts';
import {
  handleDeleteObjectTagging,
  handleGetObject,
  handleGetObjectTagging,
  handlePutObject,
  handlePutObjectTagging,
} from '#local/s3/handle-object.ts';
import { handlePutReplica } from '#local/s3/handle-replica.ts';
import type { S3Handler } from '#local/s3/handler.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import type { S3Request } from '#local/s3/s3-request.ts';

type Operations = Readonly<Record<string, S3Handler>>;

const BUCKET_OPERATIONS: Operations = {
  'PUT ': handleCreateBucket,
  'HEAD ': handleHeadBucket,
  'DELETE ': handleDeleteBucket,
  'GET ': handleListObjects,
  'GET list-type': handleListObjectsV2,
  'GET versions': handleListVersions,
  'GET uploads': handleListUploads,
  'GET location': handleGetBucketLocation,
  'GET versioning': handleGetBucketVersioning,
  'PUT versioning': handlePutBucketVersioning,
  'GET notification': handleGetBucketNotification,
  'PUT notification': handlePutBucketNotification,
  'POST delete': handleDeleteObjects,
};

const OBJECT_OPERATIONS: Operations = {
  'GET ': handleGetObject,
  'HEAD ': handleGetObject,
  'PUT ': handlePutObject,
  'PUT copy': handleCopyObject,
  'DELETE ': handleDeleteObject,
  'PUT replica': handlePutReplica,
  'GET tagging': handleGetObjectTagging,
  'PUT tagging': handlePutObjectTagging,
  'DELETE tagging': handleDeleteObjectTagging,
  'POST restore': handleRestoreObject,
  'POST uploads': handleCreateUpload,
  'PUT uploadId': handleUploadPart,
  'PUT uploadId copy': handleUploadPartCopy,
  'GET uploadId': handleListParts,
  'POST uploadId': handleCompleteUpload,
  'DELETE uploadId': handleAbortUpload,
};

/** Everything else in a query is a parameter or not known at all. */
const PARAMETERS =
  /^(x-id|versionid|partnumber|prefix|delimiter|encoding-type|fetch-owner|marker|start-after|continuation-token|key-marker|version-id-marker|upload-id-marker|part-number-marker|max-keys|max-parts|max-uploads|max-buckets|bucket-region|response-.*|x-amz-.*|allow-unordered)$/;

/** @throws S3Error `NotImplemented`, `MethodNotAllowed`. */
export function chooseHandler({ method, bucket, key, query, message }: S3Request): S3Handler {
  if (bucket === '') {
    if (method === 'GET') return handleListBuckets;
    throw notAllowed();
  }
  const subresources = [...query.keys()].filter((name) => !PARAMETERS.test(name.toLowerCase()));
  // Taken for a plain request, `PUT ?partNumber` would overwrite the object, and `GET` answer more than was asked for.
  if (query.has('partNumber') && !query.has('uploadId')) throw notImplemented('partNumber');
  if (subresources.length > 1) throw notImplemented(subresources.join(', '));
  const isCopy = method === 'PUT' && key !== '' && message.headers['x-amz-copy-source'] !== undefined;
  const subresource = [...subresources, ...(isCopy ? ['copy'] : [])].join(' ');
  const operations = key === '' ? BUCKET_OPERATIONS : OBJECT_OPERATIONS;
  const name = `${method} ${subresource}`;
  if (Object.hasOwn(operations, name)) return operations[name]!;
  throw subresource === '' ? notAllowed() : notImplemented(subresource);
}

function notAllowed(): S3Error {
  return new S3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.');
}

function notImplemented(subresource: string): S3Error {
  return new S3Error('NotImplemented', `This server does not implement the subresource ${subresource}.`);
}
