/** Puts the object store together from its operations. */
import { abortUpload, copyMultipart } from './copy-multipart.ts';
import { copyObject } from './copy-object.ts';
import { countRequests } from './count-requests.ts';
import { deleteVersion, deleteVersions } from './delete-objects.ts';
import { listMultipartUploads, listVersions } from './list-objects.ts';
import type { ObjectAddress, ObjectStore, ObjectStoreOptions, ReadOptions } from './object-store.ts';
import { headObject, readRange, readStream } from './read-object.ts';
import { putObject, uploadStream } from './upload-stream.ts';

const MIB = 1024 ** 2;

export function createObjectStore(options: ObjectStoreOptions): ObjectStore {
  const {
    client,
    partConcurrency = 4,
    copyPartBytes = 64 * MIB,
    uploadPartBytes = 8 * MIB,
    idleTimeoutMs = 30_000,
  } = options;
  if (options.metrics !== undefined) countRequests(client, options.metrics.requests);
  const stream = (address: ObjectAddress, readOptions?: ReadOptions): AsyncIterable<Uint8Array> =>
    readStream(client, idleTimeoutMs, address, readOptions);
  return {
    head: (address, call) => headObject(client, address, call),
    readRange: (address, range, call) => readRange(stream, address, range, call),
    readStream: stream,
    copy: (request) => copyObject(client, request),
    copyMultipart: (request) =>
      // An upload needs at least one part, and a part at least one byte.
      request.sizeBytes === 0
        ? copyObject(client, request)
        : copyMultipart(client, { partBytes: copyPartBytes, concurrency: partConcurrency }, request),
    upload: (request) => uploadStream(client, { partBytes: uploadPartBytes, concurrency: partConcurrency }, request),
    put: (request) => putObject(client, request),
    deleteVersion: (address, call) => deleteVersion(client, address, call),
    deleteVersions: (bucket, versions, call) => deleteVersions(client, bucket, versions, call),
    listVersions: (request) => listVersions(client, request),
    listMultipartUploads: (request) => listMultipartUploads(client, request),
    abortMultipartUpload: (upload, call) => abortUpload(client, upload, call),
  };
}
