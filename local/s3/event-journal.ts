/**
 * The journal of "Object Created" events: written by the S3 server, read and emptied by the event bridge, which may be another
 * process.
 *
 * 1. An entry is written in the very transaction that makes its object visible: both are there or neither, also after
 *    `kill -9`. Hence the journal is a table in the server's metadata file, and its directory is the server's.
 * 2. An entry stays until it is removed; a reader that dies before `remove` reads it again (at least once).
 * 3. Positions grow in the order of commits, so `read(limit, after)` never skips an entry.
 */
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { openMetadataDatabase } from '#local/s3/metadata-database.ts';

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
  /** Takes part in the caller's open transaction; its own otherwise. */
  append(event: ObjectCreated): void;
  /** The oldest entries, at most `limit`, of those after the position `after`. */
  read(limit: number, after?: number): JournalEntry[];
  /** Forgets entries; unknown positions are no error. */
  remove(positions: readonly number[]): void;
  /** Resolves to `true` once an entry after the position `after` is there, to `false` once `signal` aborts. */
  waitForEntries(signal: AbortSignal, after?: number): Promise<boolean>;
  close(): void;
}

/** A look is one index probe, some microseconds: cheaper than a file watcher, which wakes at every write. */
const LOOK_INTERVAL_MS = 20;

/** Opens the journal of the S3 server whose data are in `directory`; the server need not run. The caller closes it. */
export function openEventJournal(directory: string): EventJournal {
  return createEventJournal(openMetadataDatabase(directory));
}

/** The journal inside an open metadata file. */
export function createEventJournal(database: DatabaseSync): EventJournal {
  // AUTOINCREMENT: positions are never used again, also when the table was emptied in between (invariant 3).
  database.exec('CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL)');
  const insert = database.prepare('INSERT INTO events (event) VALUES (?)');
  const select = database.prepare('SELECT position, event FROM events WHERE position > ? ORDER BY position LIMIT ?');
  const erase = database.prepare('DELETE FROM events WHERE position IN (SELECT value FROM json_each(?))');
  const peek = database.prepare('SELECT 1 FROM events WHERE position > ? LIMIT 1');

  return {
    append: (event) => void insert.run(JSON.stringify(event)),
    read: (limit, after = 0) =>
      select.all(after, limit).map((row) => ({ position: Number(row.position), ...JSON.parse(String(row.event)) })),
    remove(positions) {
      if (positions.length > 0) erase.run(JSON.stringify(positions));
    },
    async waitForEntries(signal, after = 0) {
      while (!signal.aborted) {
        if (peek.get(after) !== undefined) return true;
        await delay(LOOK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
      }
      return false;
    },
    close: () => database.close(),
  };
}
