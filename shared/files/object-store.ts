/**
 * What Longshore asks of an object store. The S3 SDK and lib-storage are used in this folder and nowhere else.
 *
 * 1. Every operation takes an AbortSignal, ends within a bound, and leaves no open body, socket or multipart upload behind.
 * 2. An absent object of `head` is a value; every other refusal is thrown as `ObjectStoreError` with its `fault`.
 * 3. A write that the store answered ambiguously (200 with an error inside, a lost reply) is settled by a HEAD before it is reported.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import type { Counter } from 'prom-client';
import type { PartBuffers } from '#shared/files/copies/part-buffers.ts';
import type { CopyPlan, TransferLog } from '#shared/files/copies/transfer-log.ts';
import type { ContentHeaders } from './content-headers.ts';
import type { ChecksumAlgorithm, ObjectChecksum } from './object-checksum.ts';

export interface ObjectAddress {
  readonly bucket: string;
  readonly key: string;
  /** The newest version when absent. */
  readonly versionId?: string | undefined;
}

export interface ObjectHead extends ContentHeaders {
  readonly sizeBytes: number;
  readonly etag: string;
  /** False where the ETag cannot be a digest of the bytes: with a key service, or written in parts. */
  readonly hasDigestEtag: boolean;
  readonly versionId?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly checksums: readonly ObjectChecksum[];
  readonly lastModified?: Date;
  /** Of an object in a cold tier: whether it can be read, and what is to be done about it. */
  readonly tier?: ColdTier;
}

/** `until`: when a restored copy goes; an object that moves back to a warm tier has none. */
export type ColdTier =
  | { readonly state: 'cold'; readonly movesBack: boolean }
  | { readonly state: 'restoring' }
  | { readonly state: 'readable'; readonly until: Date };

export const RESTORE_TIERS = ['bulk', 'standard', 'expedited'] as const;
export type RestoreTier = (typeof RESTORE_TIERS)[number];

/** What is kept of a version when it arrives, so that it need not be asked for again. */
export type StoredHead = ContentHeaders & Pick<ObjectHead, 'metadata' | 'checksums'>;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ReadOptions extends CallOptions {
  /** First and last byte, both included. */
  readonly range?: { readonly first: number; readonly last: number };
  /** The read fails with `precondition-failed` when the object's ETag is another. */
  readonly ifMatch?: string | undefined;
}

export interface CopyRequest extends CallOptions {
  /** With `etag`, the copy fails with `precondition-failed` when the source is no longer that. */
  readonly source: ObjectAddress & { readonly etag?: string | undefined };
  readonly target: { readonly bucket: string; readonly key: string };
  /** The target's metadata and content headers; those of the source when absent. */
  readonly replace?: ContentHeaders & { readonly metadata: Readonly<Record<string, string>> };
  /** Full-object checksum to keep with the target; the store's own choice when absent. */
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined;
  /** The bucket's own when absent. */
  readonly storageClass?: StorageClass | undefined;
}

/** Of Amazon S3. */
export const STORAGE_CLASSES = [
  'STANDARD',
  'STANDARD_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
] as const;
export type StorageClass = (typeof STORAGE_CLASSES)[number];

export interface MultipartCopyRequest extends CopyRequest {
  readonly sizeBytes: number;
  readonly jobId: string;
  /** `server-side` when absent. */
  readonly plan?: CopyPlan | undefined;
  /** Of the source; one of its whole content keeps a damaged copy from ever being made. */
  readonly checksums?: readonly ObjectChecksum[] | undefined;
  /** Without one, a copy that fails is begun again. */
  readonly log?: TransferLog | undefined;
}

/** A new object version. */
export interface WrittenObject {
  readonly versionId?: string;
  readonly etag: string;
  /** As the store replied; empty when it named none. */
  readonly checksums: readonly ObjectChecksum[];
}

export interface MultipartObject extends WrittenObject {
  readonly plan: CopyPlan;
  /** 0 when an earlier try had completed it. */
  readonly parts: number;
  /** How many of them an earlier try had copied. */
  readonly resumedParts: number;
  /** Hex, of content that was streamed in one go. */
  readonly sha256?: string;
}

export interface UploadRequest extends CallOptions {
  readonly target: { readonly bucket: string; readonly key: string };
  readonly body: AsyncIterable<Uint8Array>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  /** A source that ends before or after this many bytes is refused, and nothing is written. */
  readonly expectedBytes?: number;
  /** Where an upload in parts is written down, to be watched; it is never continued. */
  readonly log?: TransferLog | undefined;
  /** Of what is read, for the log. */
  readonly sourceEtag?: string | undefined;
}

export interface UploadedObject extends WrittenObject {
  readonly sizeBytes: number;
  /** Hex, of the bytes as they went by. */
  readonly sha256: string;
}

/** What is fetched from elsewhere over one connection. */
export interface PullObjectRequest {
  readonly target: { readonly bucket: string; readonly key: string };
  /** As the other side says; another number of bytes is told by `verify`. */
  readonly sizeBytes: number;
  /** By what the content is known again: another one is begun again. */
  readonly identity: string;
  /** Whether another try may continue in the middle. */
  readonly canResume: boolean;
  /** In the version's metadata: by it a version that is there already is found. */
  readonly mark: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly log: TransferLog;
  readonly signal: AbortSignal;
  /** In order, from `offset` on. */
  readonly read: (offset: number) => AsyncIterable<Uint8Array>;
  /** Looks at what came, before there is a version. `sha256`: null where only the rest came. */
  readonly verify: (came: { readonly sizeBytes: number; readonly sha256: string | null }) => Promise<void>;
  /** Whether what `verify` threw is about the content: the upload is then aborted, and otherwise left to another try. */
  readonly isVerdict: (error: unknown) => boolean;
  /** The version with the mark, when it has left the bucket already. */
  readonly findRegistered: () => Promise<Pick<PulledObject, 'versionId' | 'etag' | 'sizeBytes'> | undefined>;
}

export interface PulledObject {
  readonly versionId: string;
  readonly etag: string;
  readonly sizeBytes: number;
  /** Hex; null where the bytes did not all come in this try. */
  readonly sha256: string | null;
  /** An earlier try had completed it. */
  readonly isFound: boolean;
}

export interface PutRequest extends CallOptions {
  readonly target: { readonly bucket: string; readonly key: string };
  readonly body: Uint8Array | string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  /** True: refused with `precondition-failed` when the key already has an object. */
  readonly onlyIfAbsent?: boolean;
}

export interface ListedVersion {
  readonly key: string;
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
  /** 0 for delete markers. */
  readonly sizeBytes: number;
  readonly etag?: string;
  readonly lastModified: Date;
}

export interface ListedUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly initiated: Date;
}

/** One page; `next` is what the following call is given as `after`, absent on the last page. */
export interface Page<Item, Cursor> {
  readonly items: readonly Item[];
  readonly next?: Cursor;
}

export interface VersionCursor {
  readonly key: string;
  readonly versionId?: string;
}

export interface UploadCursor {
  readonly key: string;
  readonly uploadId?: string;
}

export interface ListRequest<Cursor> extends CallOptions {
  readonly bucket: string;
  readonly prefix?: string;
  readonly after?: Cursor;
  /** At most 1,000, which is also the default. */
  readonly limit?: number;
}

export interface ObjectStore {
  head(address: ObjectAddress, options?: CallOptions): Promise<ObjectHead | 'not-found'>;
  /** The object's tags by key. */
  tags(address: ObjectAddress, options?: CallOptions): Promise<Readonly<Record<string, string>>>;
  /** A small piece as a whole; the range's bytes that exist. @throws `invalid` when the range is over 16 MiB. */
  readRange(
    address: ObjectAddress,
    range: { readonly first: number; readonly last: number },
    options?: CallOptions & { readonly ifMatch?: string | undefined },
  ): Promise<Buffer>;
  /** Pieces as they come; leaving the loop early closes the connection, a body that stands still fails as `unavailable`. */
  readStream(address: ObjectAddress, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** Server-side, in one request; for sources up to 5 GiB. */
  copy(request: CopyRequest): Promise<WrittenObject>;
  /** In parts side by side, server-side or streamed; resumable with a log. From another store: streamed, in one request when a part holds it. */
  copyMultipart(request: MultipartCopyRequest): Promise<MultipartObject>;
  /** Asks for a readable copy of an object in a cold tier; asked already is not an error. Resolves before it can be read: see `tier` of `head`. */
  restore(
    address: ObjectAddress,
    wish: { readonly days: number; readonly tier: RestoreTier; readonly movesBack: boolean },
    options?: CallOptions,
  ): Promise<void>;
  /** A stream of unknown length, in parts; flat memory. */
  upload(request: UploadRequest): Promise<UploadedObject>;
  /** A stream of known length over one connection, in parts whatever its size; resumable, and made once. */
  pull(request: PullObjectRequest): Promise<PulledObject>;
  put(request: PutRequest): Promise<WrittenObject>;
  /** Removes for good when a version is named, else leaves a delete marker. An absent version is not an error. */
  deleteVersion(address: ObjectAddress, options?: CallOptions): Promise<void>;
  /** Up to 1,000 in one request. Returns those that the store refused to delete. */
  deleteVersions(
    bucket: string,
    versions: readonly { readonly key: string; readonly versionId?: string }[],
    options?: CallOptions,
  ): Promise<readonly { readonly key: string; readonly versionId?: string; readonly message: string }[]>;
  /** Versions and delete markers, by key and newest first. */
  listVersions(request: ListRequest<VersionCursor>): Promise<Page<ListedVersion, VersionCursor>>;
  listMultipartUploads(request: ListRequest<UploadCursor>): Promise<Page<ListedUpload, UploadCursor>>;
  /** False once the upload was completed or aborted, and the store has no part of it. */
  hasMultipartUpload(
    upload: { bucket: string; key: string; uploadId: string },
    options?: CallOptions,
  ): Promise<boolean>;
  /** An upload that is already gone is not an error. */
  abortMultipartUpload(upload: { bucket: string; key: string; uploadId: string }, options?: CallOptions): Promise<void>;
}

export interface ObjectStoreOptions {
  /** Made by `createS3Client`; closed by whoever made it. */
  readonly client: S3Client;
  /** For parts of copies, of which one may take long; `client` when absent. */
  readonly partClient?: S3Client;
  /** Makes this an external store: what is copied to it comes from the fleet's own. */
  readonly external?: ExternalTarget;
  /** Parts of one upload of unknown length in flight; 2 when absent. */
  readonly partConcurrency?: number;
  /** Parts of one server-side copy in flight; 8 when absent. */
  readonly copyConcurrency?: number;
  /** What streamed copies hold, over all copies; 4 parts of 8 MiB when absent. */
  readonly partBuffers?: PartBuffers;
  /** Size of a copied part; 64 MiB when absent, more when an object would need over 10,000. */
  readonly copyPartBytes?: number;
  /** Of a copy's parts but the last; S3's 5 MiB when absent. */
  readonly smallestPartBytes?: number;
  /** Size of an uploaded part, of which `partConcurrency` and two more are in memory; 5 MiB when absent, the least that S3 takes. */
  readonly uploadPartBytes?: number;
  /** Of a pulled file, unless it has more than 10,000; 8 MiB when absent. */
  readonly pullPartBytes?: number;
  /** Of one upload of unknown length: with its part size what it may come to; 10,000 when absent, the most that S3 takes. */
  readonly mostUploadParts?: number;
  /** A body from which nothing comes for so long is given up; 30 s when absent. */
  readonly idleTimeoutMs?: number;
  readonly metrics?: { readonly requests: Counter<'operation'>; readonly copiedBytes?: Counter<'plan'> };
}

export interface ExternalTarget {
  /** As definitions name it; written down with its transfers. */
  readonly name: string;
  /** Reads what is copied. */
  readonly sourceClient: S3Client;
  /** False for servers that refuse checksums of whole objects. */
  readonly hasChecksums: boolean;
}

/** The largest source that CopyObject takes (Amazon S3, CopyObject). */
export const SINGLE_COPY_LIMIT_BYTES = 5 * 1024 ** 3;
