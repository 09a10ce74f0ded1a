/**
 * Opens the SQLite files of the S3 server: `metadata.sqlite` holds everything but large bodies (buckets, versions, uploads,
 * small bodies, the journal of events); `journal-removed.sqlite` is how a reader of the journal says what it has done with.
 *
 * 1. A commit survives a killed process: WAL, and what was written is in the page cache. `synchronous = NORMAL` keeps the
 *    file whole over a power cut too, at the price of the last moments' commits.
 * 2. Only the server writes metadata. SQLite makes a second writer wait asleep, which would hold up every request.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makePrivate } from '#local/private-file.ts';

const REMOVED_FILE = 'journal-removed.sqlite';
/** For what is not the server: opening while the server opens, and the server's short visits to the removed entries. */
const BUSY_TIMEOUT_MS = 10_000;
/** 4 KiB pages. The default of 1,000 would sync the file several times a second under load. */
const CHECKPOINT_PAGES = 8_000;

/** Opens `<directory>/metadata.sqlite`, creating both when absent. The caller closes it. */
export function openMetadataDatabase(directory: string, { syncToDisk = false } = {}): DatabaseSync {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(makePrivate(join(directory, 'metadata.sqlite')), { timeout: BUSY_TIMEOUT_MS });
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = ${syncToDisk ? 'FULL' : 'NORMAL'};
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -16384;
    PRAGMA temp_store = MEMORY;
    -- AUTOINCREMENT: positions are never used again, also when the journal was emptied in between.
    CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
  `);
  return database;
}

/** Makes the removed entries `removed.entries` of a connection that never begins an IMMEDIATE transaction (it would lock them). */
export function attachRemovedEntries(database: DatabaseSync, directory: string): void {
  openRemovedEntries(directory, BUSY_TIMEOUT_MS).close();
  database.prepare('ATTACH ? AS removed').run(join(directory, REMOVED_FILE));
}

/** With `busyTimeoutMs` 0 a write fails at once while another process writes. */
export function openRemovedEntries(directory: string, busyTimeoutMs: number): DatabaseSync {
  const database = new DatabaseSync(makePrivate(join(directory, REMOVED_FILE)), { timeout: BUSY_TIMEOUT_MS });
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY);
    PRAGMA busy_timeout = ${busyTimeoutMs};
  `);
  return database;
}
