/**
 * Deletions of single versions that are asked for side by side, as one request for many: half of what a file costs at the store is the
 * number of its requests.
 *
 * 1. A deletion resolves once its own version is gone; one that the store refuses fails that one alone.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { Coalescer } from '#shared/queue/coalescer.ts';
import { deleteVersion, deleteVersions } from './delete-objects.ts';
import type { ObjectAddress } from './object-store.ts';
import { nameOf } from './read-object.ts';
import { ObjectStoreError } from './store-error.ts';

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
