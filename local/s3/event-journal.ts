/**
 * The journal of "Object Created" events: written by the S3 server, read and emptied by the event bridge, which may be another
 * process.
 *
 * 1. An entry is written in the very transaction that makes its object visible: both are there or neither, also after
 *    `kill -9`. Hence the journal is a table in the server's metadata file, and its directory is the server's.
 * 2. An entry stays until it is removed; a reader that dies before `remove` reads it again (at least once).
 * 3. The reader never writes where the server does: it lists what it is done with in its own file, and the server forgets
 *    those entries in its own time.
 * 4. Positions grow in the order of commits, so `read(limit, after)` never skips an entry.
 */
import { attachRemovedEntries, openMetadataDatabase } from '#local/s3/metadata-database.ts';
import { waitForRows } from '#local/wait-for-rows.ts';

export type ObjectCreatedReason = 'PutObject' | 'CompleteMultipartUpload' | 'CopyObject';

export interface ObjectCreated {
  /** UUID, the same however often the entry is read. */
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly bucket: string;
  /** As it is, not URL-encoded. */
  readonly key: string;
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  /** Absent in a bucket without versioning. */
  readonly versionId?: string;
  /** Upper-case hex of one length; greater is later, for one key. */
  readonly sequencer: string;
  readonly reason: ObjectCreatedReason;
  /** The name of the credential that wrote the object. */
  readonly requester: string;
}

export interface JournalEntry extends ObjectCreated {
  /** Names the entry in `remove` and `read`. */
  readonly position: number;
}

export interface EventJournal {
  /** For events that are not the server's own doing; rare, because it waits for the server and the server for it. */
  append(event: ObjectCreated): void;
  /** The oldest entries, at most `limit`, of those after the position `after`. */
  read(limit: number, after?: number): JournalEntry[];
  /** Forgets entries; unknown positions are not an error. */
  remove(positions: readonly number[]): void;
  /** Resolves to `true` once an entry after the position `after` is there, to `false` once `signal` aborts. */
  waitForEntries(signal: AbortSignal, after?: number): Promise<boolean>;
  close(): void;
}

/** Opens the journal of the S3 server whose data are in `directory`; the server need not run. The caller closes it. */
export function openEventJournal(directory: string): EventJournal {
  const database = openMetadataDatabase(directory);
  attachRemovedEntries(database, directory);
  const open = 'FROM events WHERE position > ? AND position NOT IN (SELECT position FROM removed.entries)';
  const insert = database.prepare('INSERT INTO events (event) VALUES (?)');
  const select = database.prepare(`SELECT position, event ${open} ORDER BY position LIMIT ?`);
  const peek = database.prepare(`SELECT 1 ${open} LIMIT 1`);
  const remove = database.prepare('INSERT OR IGNORE INTO removed.entries SELECT value FROM json_each(?)');

  return {
    append: (event) => void insert.run(JSON.stringify(event)),
    read: (limit, after = 0) =>
      select.all(after, limit).map((row) => ({ position: Number(row.position), ...JSON.parse(String(row.event)) })),
    remove(positions) {
      if (positions.length > 0) remove.run(JSON.stringify(positions));
    },
    async waitForEntries(signal, after = 0) {
      return await waitForRows({ directory, hasRows: () => peek.get(after) !== undefined, signal });
    },
    close: () => database.close(),
  };
}
