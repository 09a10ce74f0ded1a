/** Whether a copy is true to its source: from what the copy's reply said, else from HEADs, else from the bytes of both. */
import { createHash } from 'node:crypto';
import {
  type ContentComparison,
  type ContentFacts,
  compareContents,
  type Proof,
} from '#shared/files/object-checksum.ts';
import type { ObjectAddress, ObjectStore } from '#shared/files/object-store.ts';
import { freeMemory } from '#shared/files/read-object.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';

export type CopyVerdict =
  | { readonly type: 'same'; readonly by: 'checksum' | 'etag' | 'bytes'; readonly proof: Proof }
  | { readonly type: 'different'; readonly what: 'size' | 'checksum' };

export interface CopyToVerify {
  readonly store: ObjectStore;
  /** Where the copy is, when that is another. */
  readonly targetStore?: ObjectStore | undefined;
  readonly source: ObjectAddress & ContentFacts;
  /** Of the source's bytes as they went by, hex; spares reading them again. */
  readonly sourceSha256?: string | undefined;
  /** The version written, with what the reply said of it. */
  readonly target: ObjectAddress & ContentFacts;
  readonly signal?: AbortSignal | undefined;
}

/** @throws ObjectStoreError `not-found` when source or target vanished meanwhile. */
export async function verifyCopy(copy: CopyToVerify): Promise<CopyVerdict> {
  const { store, targetStore = store, source, target, signal } = copy;
  const fromReply = compareContents(source, target);
  if (fromReply.type !== 'unknown') return withProof(fromReply);
  const targetHead = await headExisting(targetStore, target, signal);
  const fromTarget = compareContents(source, targetHead);
  if (fromTarget.type !== 'unknown') return withProof(fromTarget);
  const fromBoth = compareContents(await headExisting(store, source, signal), targetHead);
  if (fromBoth.type !== 'unknown') return withProof(fromBoth);
  const sourceHash = copy.sourceSha256 ?? (await hashObject(store, source, signal));
  const targetHash = await hashObject(targetStore, target, signal);
  return sourceHash === targetHash
    ? { type: 'same', by: 'bytes', proof: 'BYTES' }
    : { type: 'different', what: 'checksum' };
}

function withProof(known: Exclude<ContentComparison, { type: 'unknown' }>): CopyVerdict {
  if (known.type === 'different') return known;
  return { ...known, proof: known.by === 'checksum' ? known.algorithm : 'ETAG' };
}

/** SHA-256 in hex, of the bytes read through. */
export async function hashObject(store: ObjectStore, address: ObjectAddress, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of store.readStream(address, { signal })) {
    hash.update(piece);
    freeMemory(piece);
  }
  return hash.digest('hex');
}

async function headExisting(store: ObjectStore, address: ObjectAddress, signal: AbortSignal | undefined) {
  const head = await store.head(address, { signal });
  if (head === 'not-found') throw new ObjectStoreError('not-found', `${address.bucket}/${address.key} is not there`);
  return head;
}
