/**
 * After a failover rows name the buckets of the home, and the objects are in their replicas, under the same keys and version ids. Names
 * are changed at the door of the store, in requests and in events: no row is rewritten, whatever their number.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';

export interface ReplicaConfig {
  /** Of the buckets that are there. */
  readonly LONGSHORE_PREFIX?: string;
  /** Of the buckets that rows name; those that are there when absent. */
  readonly LONGSHORE_RECORDED_PREFIX?: string | undefined;
}

/** The prefix of bucket names in rows, and so in everything that is compared with rows. */
export function recordedPrefix({
  LONGSHORE_PREFIX: prefix,
  LONGSHORE_RECORDED_PREFIX: recorded = prefix,
}: ReplicaConfig & { readonly LONGSHORE_PREFIX: string }): string {
  return recorded;
}

/** The name in rows of a bucket that an event names. */
export function recordedBucket(bucket: string, config: ReplicaConfig & { readonly LONGSHORE_PREFIX: string }): string {
  const id = BUCKET_IDS.find((each) => bucketName(config.LONGSHORE_PREFIX, each) === bucket);
  return id === undefined ? bucket : bucketName(recordedPrefix(config), id);
}

/** Requests for a recorded bucket go to its replica; those for all other buckets go where they say. */
export function useReplicas(client: S3Client, config: ReplicaConfig): void {
  const { LONGSHORE_PREFIX: prefix, LONGSHORE_RECORDED_PREFIX: recorded } = config;
  if (prefix === undefined || recorded === undefined || recorded === prefix) return;
  const replicas = new Map(BUCKET_IDS.map((id) => [bucketName(recorded, id), bucketName(prefix, id)]));
  client.middlewareStack.add(
    (next) => async (args) => {
      const input = args.input as { readonly Bucket?: string; readonly CopySource?: string };
      const { Bucket = '', CopySource } = input;
      const changed = {
        ...input,
        ...(replicas.has(Bucket) && { Bucket: replicas.get(Bucket) }),
        ...(CopySource !== undefined && { CopySource: replicaOf(CopySource, replicas) }),
      };
      return await next({ ...args, input: changed as typeof args.input });
    },
    { step: 'initialize', name: 'useReplicas', priority: 'high' },
  );
}

/** `bucket/key?versionId=...`, the key encoded. */
function replicaOf(source: string, replicas: ReadonlyMap<string, string>): string {
  const end = source.indexOf('/');
  return `${replicas.get(source.slice(0, end)) ?? source.slice(0, end)}${source.slice(end)}`;
}
