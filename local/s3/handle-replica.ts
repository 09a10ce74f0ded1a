/**
 * `PUT ?replica`: a version of another server's bucket, under its own version id.
 *
 * 1. It takes its place by its age: a replica that comes late is an older version, not the current one.
 * 2. Sent again, it brings what changed: its tags. Its bytes cannot change.
 * 3. Events and deletions are this bucket's own affair.
 */
import { header, type S3Call, type S3Reply } from '#local/s3/handler.ts';
import { receiveBody } from '#local/s3/receive-body.ts';
import { decodeReplica, REPLICA_HEADER, type Replica } from '#local/s3/replica.ts';
import { S3Error } from '#local/s3/s3-error.ts';

/** Amazon S3: of one object. */
const MAX_OBJECT_BYTES = 5 * 1024 ** 4;

export async function handlePutReplica(call: S3Call): Promise<S3Reply> {
  const { store, request, auth } = call;
  const replica = decodeReplica(header(call, REPLICA_HEADER));
  const { checksum } = replica.details;
  const wanted = checksum?.type === 'FULL_OBJECT' ? checksum : undefined;
  const isSingle = /^[0-9a-f]{32}$/.test(replica.etag);
  const staged = store.bodies.stage();
  try {
    const received = await receiveBody(call, {
      maxBytes: MAX_OBJECT_BYTES,
      algorithms: [...(isSingle ? (['MD5'] as const) : []), ...(wanted === undefined ? [] : [wanted.algorithm])],
      write: (chunk) => staged.write(chunk),
    });
    await staged.finish();
    const isWhole =
      (!isSingle || replica.isDeleteMarker || received.digests.get('MD5')?.toString('hex') === replica.etag) &&
      (wanted === undefined || received.digests.get(wanted.algorithm)?.toString('base64') === wanted.value);
    if (!isWhole) throw new S3Error('BadDigest', 'The bytes of the replica are not those of its version.');
    const isKept = store.transact(() => {
      const bucket = store.buckets.get(request.bucket);
      const known = store.versions.find(bucket.id, request.key, replica.versionId);
      if (known !== undefined) {
        store.versions.setDetails(known, { ...known.details, tags: replica.details.tags });
        return false;
      }
      const bodyId = replica.isDeleteMarker ? undefined : store.bodies.insert(staged);
      store.addReplica({
        bucket,
        key: request.key,
        ...contentOf(replica),
        sizeBytes: staged.sizeBytes,
        bodyId,
        requester: auth.requester,
      });
      return !replica.isDeleteMarker;
    });
    if (!isKept) await staged.discard();
    return { status: 200, headers: { 'x-amz-version-id': replica.versionId } };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

function contentOf({ seq, versionId, modifiedMs, isDeleteMarker, etag, details }: Replica) {
  const { checksum, uploadId, ...rest } = details;
  return {
    ...{ seq, versionId, modifiedMs, isDeleteMarker, etag },
    details: {
      ...rest,
      ...(checksum !== undefined && { checksum }),
      ...(uploadId !== undefined && { uploadId }),
      isReplica: true,
    },
  };
}
