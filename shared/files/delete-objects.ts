/** Deletion by version, one or many at a time. */

import { DeleteObjectCommand, DeleteObjectsCommand, type S3Client } from '@aws-sdk/client-s3';
import { Coalescer } from '#shared/queue/coalescer.ts';
import { storeCall } from './classify-store-error.ts';
import type { CallOptions, ObjectAddress } from './object-store.ts';
import { abortable, nameOf } from './read-object.ts';
import { hasFault, ObjectStoreError } from './store-error.ts';

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

/** Longer than the pauses between files that end side by side, shorter than anybody notices. */
const LINGER_MS = 20;
const MOST_IN_ONE = 100;

export function gatherDeletions(client: S3Client): { add(address: ObjectAddress): Promise<void> } {
  const deletions = new Coalescer<ObjectAddress, Error | undefined>({
    lingerMs: LINGER_MS,
    concurrency: 4,
    maxEntries: MOST_IN_ONE,
    run: async (addresses) => {
      const errors = new Map<string, Error>();
      for (const [bucket, inBucket] of Map.groupBy(addresses, (address) => address.bucket)) {
        for (const { address, error } of await deleteOf(client, bucket, inBucket)) errors.set(idOf(address), error);
      }
      return addresses.map((address) => errors.get(idOf(address)));
    },
  });
  return {
    async add(address) {
      const error = await deletions.add(address);
      if (error !== undefined) throw error;
    },
  };
}

interface Refused {
  readonly address: ObjectAddress;
  readonly error: Error;
}

async function deleteOf(client: S3Client, bucket: string, addresses: readonly ObjectAddress[]): Promise<Refused[]> {
  const [only] = addresses;
  try {
    if (addresses.length === 1 && only !== undefined) {
      await deleteVersion(client, only);
      return [];
    }
    const refused = await deleteVersions(client, bucket, addresses.map(toName));
    return refused.map(({ message, ...version }) => {
      const address = { bucket, ...version };
      return { address, error: new ObjectStoreError('unavailable', `delete ${nameOf(address)}: ${message}`) };
    });
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error;
    return addresses.map((address) => ({ address, error }));
  }
}

function toName({ key, versionId }: ObjectAddress) {
  return { key, ...(versionId !== undefined && { versionId }) };
}

function idOf({ bucket, key, versionId }: ObjectAddress): string {
  return `${bucket}\n${versionId}\n${key}`;
}
