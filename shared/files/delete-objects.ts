/** Deletion by version, one or many at a time. */
import { DeleteObjectCommand, DeleteObjectsCommand, type S3Client } from '@aws-sdk/client-s3';
import { storeCall } from './classify-store-error.ts';
import type { CallOptions, ObjectAddress } from './object-store.ts';
import { abortable, nameOf } from './read-object.ts';
import { hasFault } from './store-error.ts';

/** S3's bound for one DeleteObjects. */
const MOST_PER_REQUEST = 1_000;

export interface VersionName {
  readonly key: string;
  readonly versionId?: string;
}

export async function deleteVersion(
  client: S3Client,
  address: ObjectAddress,
  { signal }: CallOptions = {},
): Promise<void> {
  try {
    await storeCall(`delete ${nameOf(address)}`, signal, () =>
      client.send(
        new DeleteObjectCommand({ Bucket: address.bucket, Key: address.key, VersionId: address.versionId }),
        abortable(signal),
      ),
    );
  } catch (error) {
    if (!hasFault(error, 'not-found')) throw error;
  }
}

/** Returns those that were refused: DeleteObjects answers 200 whatever became of each. */
export async function deleteVersions(
  client: S3Client,
  bucket: string,
  versions: readonly VersionName[],
  { signal }: CallOptions = {},
): Promise<(VersionName & { readonly message: string })[]> {
  const refused: (VersionName & { readonly message: string })[] = [];
  for (let from = 0; from < versions.length; from += MOST_PER_REQUEST) {
    const Objects = versions
      .slice(from, from + MOST_PER_REQUEST)
      .map(({ key, versionId }) => ({ Key: key, VersionId: versionId }));
    const reply = await storeCall(`delete ${Objects.length} versions of ${bucket}`, signal, () =>
      client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }), abortable(signal)),
    );
    for (const error of reply.Errors ?? []) {
      refused.push({
        key: error.Key ?? '',
        ...(error.VersionId !== undefined && { versionId: error.VersionId }),
        message: `${error.Code ?? 'unknown'}: ${error.Message ?? ''}`,
      });
    }
  }
  return refused;
}
