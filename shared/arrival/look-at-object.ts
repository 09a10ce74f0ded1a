/** What the object store says of an arrival, as far as events leave it open. */
import type { CallOptions, ObjectStore } from '#shared/files/object-store.ts';
import type { ObjectWord, TransferWord } from './arrival-word.ts';
import { quoted } from './arrival-word.ts';
import { type CandidateVersion, matchVersion } from './match-version.ts';

export type Writer =
  | { readonly type: 'gone' }
  | { readonly type: 'other' }
  | { readonly type: 'sftp'; readonly username?: string };

/** More versions of one key than this within one upload are not looked through. */
const VERSIONS_LOOKED_AT = 200;

/** Who wrote the object: Transfer Family marks its objects (user guide, "Amazon S3 object metadata"). */
export async function findWriter(store: ObjectStore, word: ObjectWord, options: CallOptions): Promise<Writer> {
  const head = await store.head(word, options);
  if (head === 'not-found') return { type: 'gone' };
  if (head.metadata['user-agent']?.startsWith('AWSTransfer') !== true) return { type: 'other' };
  const username = head.metadata['user-agent-id']?.split('@')[0];
  return username === undefined ? { type: 'sftp' } : { type: 'sftp', username };
}

/** The version that a transfer's end is about: the newest in most cases, which costs one request, else one of the key's others. */
export async function findTransferred(
  store: ObjectStore,
  word: TransferWord,
  options: CallOptions,
): Promise<CandidateVersion | undefined> {
  const { bucket, key } = word;
  const head = await store.head({ bucket, key }, options);
  if (head !== 'not-found') {
    const { versionId = 'null', sizeBytes, etag, lastModified = word.endedAt } = head;
    const newest = { versionId, sizeBytes, etag: quoted(etag), at: lastModified, isSettled: false };
    const match = matchVersion(word, [newest]);
    if (match !== undefined) return match;
  }
  const { items } = await store.listVersions({ bucket, prefix: key, limit: VERSIONS_LOOKED_AT, ...options });
  return matchVersion(
    word,
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
}
