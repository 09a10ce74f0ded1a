/** What the object store says about an arrival: an event is believed only as far as the store confirms it. */
import { onlyContentHeaders } from '#shared/files/content-headers.ts';
import { fullObjectChecksum } from '#shared/files/object-checksum.ts';
import type { CallOptions, ObjectAddress, ObjectHead, ObjectStore, StoredHead } from '#shared/files/object-store.ts';
import type { ObjectReport, TransferReport } from './arrival-report.ts';
import { quoted, UNVERSIONED } from './arrival-report.ts';
import { type CandidateVersion, CLOCK_SLACK_MS, isWrittenBySftp, matchVersion } from './match-version.ts';

/** An object version as the store describes it. */
export interface StoredObject {
  readonly versionId: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly at: Date;
  readonly head: StoredHead;
  /** Equal for equal bytes; undefined where nothing that the store keeps says so. */
  readonly contentHash?: string | undefined;
  readonly writer: { readonly type: 'other' } | { readonly type: 'sftp'; readonly username?: string };
}

/** More versions of one key than this within one upload are not looked through. */
const VERSIONS_LOOKED_AT = 200;

/**
 * What the store has under the version that an event names; its newest where the event names none. The writer is known by its mark.
 */
export async function findStored(
  store: ObjectStore,
  report: ObjectReport,
  options: CallOptions,
): Promise<StoredObject | 'not-found'> {
  const { bucket, key, versionId, at } = report;
  const head = await store.head(versionId === UNVERSIONED ? { bucket, key } : { bucket, key, versionId }, options);
  if (head === 'not-found') return head;
  const username = head.metadata['user-agent-id']?.split('@')[0];
  return {
    versionId: head.versionId ?? versionId,
    sizeBytes: head.sizeBytes,
    etag: quoted(head.etag),
    at: plausibleTime(new Date(at), head.lastModified),
    head: storedHead(head),
    contentHash: contentHashOf(head),
    writer: isWrittenBySftp(head) ? { type: 'sftp', ...(username !== undefined && { username }) } : { type: 'other' },
  };
}

function storedHead(head: ObjectHead): StoredHead {
  return { ...onlyContentHeaders(head), metadata: head.metadata, checksums: head.checksums };
}

/** S3 keeps a CRC64NVME of every object written since the end of 2024; the ETag of an older one is its MD5, unless a key service encrypts it. */
function contentHashOf({ checksums, etag, hasDigestEtag }: ObjectHead): string | undefined {
  const checksum = fullObjectChecksum(checksums);
  if (checksum !== undefined) return `${checksum.algorithm}:${checksum.value}`;
  return hasDigestEtag ? `MD5:${etag.replaceAll('"', '')}` : undefined;
}

/** The longest that an upload may take: S3 gives an object the time at which its upload began. */
const LONGEST_UPLOAD_MS = 7 * 24 * 3_600_000;

/** The time that an event names, where the store's own time allows it. */
export function plausibleTime(claimed: Date, stored: Date | undefined): Date {
  if (stored === undefined) return claimed;
  const afterMs = claimed.getTime() - stored.getTime();
  return afterMs >= -CLOCK_SLACK_MS && afterMs <= LONGEST_UPLOAD_MS ? claimed : stored;
}

/** The version that a transfer's end is about: the newest in most cases, which costs one request, else one of the key's others. */
export async function findTransferred(
  store: ObjectStore,
  report: TransferReport,
  options: CallOptions,
): Promise<CandidateVersion | undefined> {
  const { bucket, key } = report;
  const match = await matchStored({ bucket, key });
  if (match !== undefined) return match;
  const { items } = await store.listVersions({ bucket, prefix: key, limit: VERSIONS_LOOKED_AT, ...options });
  const listed = matchVersion(
    report,
    items
      .filter((item) => item.key === key && !item.isDeleteMarker)
      .map(({ versionId, sizeBytes, etag = '', lastModified }) => ({
        versionId,
        sizeBytes,
        etag: quoted(etag),
        at: lastModified,
        isSettled: false,
      })),
  );
  return listed === undefined ? undefined : await matchStored({ bucket, key, versionId: listed.versionId });

  async function matchStored(version: ObjectAddress): Promise<CandidateVersion | undefined> {
    const head = await store.head(version, options);
    if (head === 'not-found') return undefined;
    const { versionId = UNVERSIONED, sizeBytes, etag, lastModified = report.endedAt } = head;
    const stored = { head: storedHead(head), contentHash: contentHashOf(head) };
    return matchVersion(report, [
      { versionId, sizeBytes, etag: quoted(etag), at: lastModified, isSettled: false, stored },
    ]);
  }
}
