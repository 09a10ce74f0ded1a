/**
 * The server's state as one thing: buckets, versions, bodies, uploads and the journal of events in one metadata file.
 *
 * 1. `transact` runs synchronously, so transactions of requests that run side by side never mix.
 * 2. An object, what it replaces and its event commit together.
 */
import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { BodyStore } from '#local/s3/body-store.ts';
import { type Bucket, createBucketStore } from '#local/s3/bucket-store.ts';
import type { ObjectCreatedReason } from '#local/s3/event-journal.ts';
import { createJournalWriter, type JournalWriter } from '#local/s3/journal-writer.ts';
import { openMetadataDatabase } from '#local/s3/metadata-database.ts';
import { createReplicationQueue, type ReplicationQueue, type ReplicationRule } from '#local/s3/replication-queue.ts';
import { createUploadStore, type Upload } from '#local/s3/upload-store.ts';
import {
  createVersionId,
  createVersionStore,
  NULL_VERSION,
  type ObjectDetails,
  type ObjectVersion,
} from '#local/s3/version-store.ts';
import type { Logger } from '#shared/runtime/logger.ts';

/** Amazon S3: of one upload. */
const MAX_PARTS = 10_000;

export interface ObjectStoreOptions {
  readonly directory: string;
  readonly logger: Logger;
  /** Survive a power cut, not only a killed process. */
  readonly syncToDisk: boolean;
  readonly now: () => number;
  /** Of all parts but the last. */
  readonly smallestPartBytes: number;
  readonly replicationRules?: readonly ReplicationRule[];
}

/** A version of another server's bucket, as that server has it. */
export type NewReplica = Omit<ObjectVersion, 'bucketId'> & { readonly bucket: Bucket; readonly requester: string };

export interface NewObject {
  readonly bucket: Bucket;
  readonly key: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly details: ObjectDetails;
  /** One reference to it becomes the version's. */
  readonly bodyId: number;
  readonly reason: ObjectCreatedReason;
  readonly requester: string;
}

export class ObjectStore {
  readonly buckets: ReturnType<typeof createBucketStore>;
  readonly versions: ReturnType<typeof createVersionStore>;
  readonly uploads: ReturnType<typeof createUploadStore>;
  readonly replication: ReplicationQueue;
  readonly bodies: BodyStore;
  readonly now: () => number;
  readonly smallestPartBytes: number;
  readonly #database: DatabaseSync;
  readonly #journal: JournalWriter;
  readonly #begin: { run(): unknown };
  readonly #commit: { run(): unknown };
  #lastNumber = 0;

  constructor(options: ObjectStoreOptions) {
    const { directory, logger, syncToDisk, now, smallestPartBytes, replicationRules = [] } = options;
    this.smallestPartBytes = smallestPartBytes;
    this.now = now;
    this.#database = openMetadataDatabase(directory, { syncToDisk });
    this.buckets = createBucketStore(this.#database, now);
    this.versions = createVersionStore(this.#database);
    this.uploads = createUploadStore(this.#database);
    this.replication = createReplicationQueue(this.#database, replicationRules);
    this.#journal = createJournalWriter({ database: this.#database, directory, logger });
    const nextNumber = () => this.nextNumber();
    this.bodies = new BodyStore({ database: this.#database, directory, nextNumber, logger, syncToDisk });
    this.#lastNumber = Number(this.#database.prepare('SELECT max(id) AS last FROM bodies').get()?.last ?? 0);
    this.#begin = this.#database.prepare('BEGIN IMMEDIATE');
    this.#commit = this.#database.prepare('COMMIT');
  }

  /** Microseconds, made strictly increasing: numbers bodies and orders versions. */
  nextNumber(): number {
    this.#lastNumber = Math.max(this.#lastNumber + 1, this.now() * 1000);
    return this.#lastNumber;
  }

  transact<Result>(work: () => Result): Result {
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      this.bodies.afterCommit();
      return result;
    } catch (error) {
      this.bodies.afterRollback();
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Inside a transaction: the new current version of a key, with its event. */
  addObject(object: NewObject): ObjectVersion {
    const { bucket, key, sizeBytes, etag, details, bodyId, reason, requester } = object;
    const version = this.#addVersion(bucket, key, { sizeBytes, etag, details, bodyId, isDeleteMarker: false });
    this.#note(bucket, version, { reason, requester });
    return version;
  }

  /** Inside a transaction: a version under the id that it has elsewhere, which no version here has. */
  addReplica({ bucket, requester, ...version }: NewReplica): void {
    const added = { ...version, bucketId: bucket.id };
    this.versions.insert(added);
    if (!version.isDeleteMarker) this.#note(bucket, added, { reason: 'PutObject', requester });
  }

  /** Inside a transaction. What a version's reader finds changes, its bytes do not. */
  setTags(bucket: Bucket, version: ObjectVersion, tags: ObjectDetails['tags']): void {
    this.versions.setDetails(version, { ...version.details, tags });
    this.#queueReplica(bucket, version);
  }

  /** `PENDING`, `COMPLETED` or `REPLICA`; undefined where no rule covers the version. */
  replicationStatus(bucket: Bucket, { key, versionId, details }: ObjectVersion): string | undefined {
    if (details.isReplica === true) return 'REPLICA';
    if (this.replication.ruleOf(bucket.name) === undefined) return undefined;
    return this.replication.isWaiting(bucket.id, key, versionId) ? 'PENDING' : 'COMPLETED';
  }

  /** Inside a transaction. */
  addDeleteMarker(bucket: Bucket, key: string): ObjectVersion {
    const details = { headers: [], metadata: [], tags: [] };
    return this.#addVersion(bucket, key, { sizeBytes: 0, etag: '', details, bodyId: undefined, isDeleteMarker: true });
  }

  /** Inside a transaction. */
  removeVersion(version: ObjectVersion): void {
    this.versions.remove(version);
    if (version.bodyId !== undefined) this.bodies.release(version.bodyId);
  }

  /** Inside a transaction. */
  abortUpload(upload: Upload): void {
    for (const { bodyId } of this.uploads.listParts(upload.id, 0, MAX_PARTS)) this.bodies.release(bodyId);
    this.uploads.remove(upload);
  }

  close(): void {
    this.#journal.close();
    this.#database.close();
  }

  #addVersion(
    bucket: Bucket,
    key: string,
    content: Pick<ObjectVersion, 'sizeBytes' | 'etag' | 'details' | 'bodyId' | 'isDeleteMarker'>,
  ): ObjectVersion {
    const seq = Math.max(this.nextNumber(), (this.versions.findLatest(bucket.id, key)?.seq ?? 0) + 1);
    let versionId = createVersionId(seq);
    if (bucket.versioning !== 'Enabled') {
      versionId = NULL_VERSION;
      const replaced = this.versions.find(bucket.id, key, NULL_VERSION);
      if (replaced !== undefined) this.removeVersion(replaced);
    }
    const version = { bucketId: bucket.id, key, seq, versionId, modifiedMs: this.now(), ...content };
    this.versions.insert(version);
    this.#queueReplica(bucket, version);
    return version;
  }

  #queueReplica(bucket: Bucket, { key, versionId, isDeleteMarker, details }: ObjectVersion): void {
    const rule = this.replication.ruleOf(bucket.name);
    if (rule === undefined || details.isReplica === true || (isDeleteMarker && !rule.deleteMarkers)) return;
    this.replication.add(bucket.id, key, versionId);
  }

  #note(bucket: Bucket, version: ObjectVersion, why: Pick<NewObject, 'reason' | 'requester'>): void {
    if (!bucket.hasEvents) return;
    const { key, sizeBytes: size, etag, versionId, seq, modifiedMs } = version;
    this.#journal.append({
      id: randomUUID(),
      time: new Date(modifiedMs).toISOString(),
      bucket: bucket.name,
      key,
      size,
      etag,
      ...(versionId === NULL_VERSION ? {} : { versionId }),
      sequencer: seq.toString(16).toUpperCase().padStart(18, '0'),
      ...why,
    });
  }
}
