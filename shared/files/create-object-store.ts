/** Puts the object store together from its operations. */
import { copyInOnePut } from '#shared/files/copies/copy-in-one-put.ts';
import { type CopyParts, copyMultipart } from '#shared/files/copies/copy-multipart.ts';
import { copyObject } from '#shared/files/copies/copy-object.ts';
import { abortUpload, listParts } from '#shared/files/copies/multipart-upload.ts';
import { PartBuffers } from '#shared/files/copies/part-buffers.ts';
import { MOST_PARTS, SMALLEST_PART_BYTES } from '#shared/files/copies/plan-parts.ts';
import { pullMultipart } from '#shared/files/copies/pull-multipart.ts';
import type { TransferPlan } from '#shared/files/copies/transfer-log.ts';
import { putObject, uploadStream } from '#shared/files/copies/upload-stream.ts';
import { deleteVersion, deleteVersions, gatherDeletions } from './delete-objects.ts';
import { listMultipartUploads, listVersions } from './list-objects.ts';
import type { ObjectAddress, ObjectStore, ObjectStoreOptions, ReadOptions } from './object-store.ts';
import { headObject, objectTags, readRange, readStream } from './read-object.ts';
import { restoreObject } from './restore-object.ts';
import { countRequests } from './s3-requests.ts';

const MIB = 1024 ** 2;

export function createObjectStore(options: ObjectStoreOptions): ObjectStore {
  const {
    client,
    partClient = client,
    partConcurrency = 2,
    copyConcurrency = 8,
    partBuffers = new PartBuffers({ count: 4, bytes: 8 * MIB }),
    copyPartBytes = 64 * MIB,
    smallestPartBytes = SMALLEST_PART_BYTES,
    uploadPartBytes = 5 * MIB,
    pullPartBytes = 8 * MIB,
    mostUploadParts = MOST_PARTS,
    idleTimeoutMs = 30_000,
    external,
  } = options;
  if (options.metrics !== undefined) {
    for (const counted of new Set([client, partClient])) countRequests(counted, options.metrics.requests);
  }
  const stream = (address: ObjectAddress, readOptions?: ReadOptions): AsyncIterable<Uint8Array> =>
    readStream(client, idleTimeoutMs, address, readOptions);
  const sourceClient = external?.sourceClient ?? partClient;
  const onPart = (plan: TransferPlan, bytes: number) => options.metrics?.copiedBytes?.inc({ plan }, bytes);
  const copyParts: CopyParts = {
    client,
    partClient,
    sourceClient,
    read: (address, readOptions) => readStream(sourceClient, idleTimeoutMs, address, readOptions),
    external,
    serverSidePartBytes: copyPartBytes,
    smallestPartBytes,
    serverSideConcurrency: copyConcurrency,
    buffers: partBuffers,
    stallMs: idleTimeoutMs,
    onPart,
  };
  const deletions = gatherDeletions(client);
  return {
    head: (address, call) => headObject(client, address, call),
    tags: (address, call) => objectTags(client, address, call),
    readRange: (address, range, call) => readRange(stream, address, range, call),
    readStream: stream,
    restore: (address, wish, call) => restoreObject(client, address, { ...wish, ...call }),
    copy: (request) => copyObject(client, request),
    async copyMultipart(request) {
      if (external !== undefined && request.sizeBytes <= partBuffers.bytes)
        return await copyInOnePut(copyParts, request);
      if (request.sizeBytes > 0) return await copyMultipart(copyParts, request);
      // An upload needs at least one part, and a part at least one byte.
      return { ...(await copyObject(client, request)), plan: 'server-side', parts: 0, resumedParts: 0 };
    },
    upload: (request) =>
      uploadStream(
        client,
        {
          partClient,
          stallMs: idleTimeoutMs,
          partBytes: uploadPartBytes,
          concurrency: partConcurrency,
          mostParts: mostUploadParts,
          onPart: (bytes) => onPart('unknown-length', bytes),
        },
        request,
      ),
    pull: (request) =>
      pullMultipart(
        { client, partClient, partBytes: pullPartBytes, onPart: (bytes) => onPart('pulled', bytes) },
        request,
      ),
    put: (request) => putObject(client, request),
    deleteVersion: (address, call) =>
      address.versionId === undefined ? deleteVersion(client, address, call) : deletions.add(address),
    deleteVersions: (bucket, versions, call) => deleteVersions(client, bucket, versions, call),
    listVersions: (request) => listVersions(client, request),
    listMultipartUploads: (request) => listMultipartUploads(client, request),
    hasMultipartUpload: async (upload, call) => (await listParts(client, upload, call)) !== 'gone',
    abortMultipartUpload: (upload, call) => abortUpload(client, upload, call),
  };
}
