/** Objects in cold tiers, which have to be restored before they are read (Amazon S3, RestoreObject and HeadObject). */
import { type HeadObjectCommandOutput, RestoreObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { storeCall } from './classify-store-error.ts';
import type { ColdTier, ObjectAddress, RestoreTier } from './object-store.ts';

const COLD_CLASSES = ['GLACIER', 'DEEP_ARCHIVE'];
const TIERS = { bulk: 'Bulk', standard: 'Standard', expedited: 'Expedited' } as const;

/** Undefined for what can be read at any time. */
export function coldTierOf({
  StorageClass,
  ArchiveStatus,
  Restore = '',
}: Pick<HeadObjectCommandOutput, 'StorageClass' | 'ArchiveStatus' | 'Restore'>): ColdTier | undefined {
  if (!COLD_CLASSES.includes(StorageClass ?? '') && ArchiveStatus === undefined) return undefined;
  if (Restore.includes('ongoing-request="true"')) return { state: 'restoring' };
  const [, until] = /expiry-date="([^"]+)"/.exec(Restore) ?? [];
  if (until !== undefined) return { state: 'readable', until: new Date(until) };
  return { state: 'cold', movesBack: ArchiveStatus !== undefined };
}

export interface RestoreOptions {
  readonly days: number;
  readonly tier: RestoreTier;
  /** To a warm tier, where it stays: S3 refuses a number of days. */
  readonly movesBack: boolean;
  readonly signal?: AbortSignal | undefined;
}

export async function restoreObject(
  client: S3Client,
  { bucket, key, versionId }: ObjectAddress,
  { days, tier, movesBack, signal }: RestoreOptions,
): Promise<void> {
  const GlacierJobParameters = { Tier: TIERS[tier] };
  const RestoreRequest = movesBack ? { GlacierJobParameters } : { Days: days, GlacierJobParameters };
  await storeCall(`restore ${bucket}/${key}`, signal, async () => {
    try {
      await client.send(
        new RestoreObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId, RestoreRequest }),
        signal === undefined ? {} : { abortSignal: signal },
      );
    } catch (error) {
      if ((error as Error).name !== 'RestoreAlreadyInProgress') throw error;
    }
  });
}
