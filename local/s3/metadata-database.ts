/**
 * Opens the SQLite file that holds everything of the S3 server but large bodies: buckets, versions, uploads, small bodies
 * and the journal of events.
 *
 * 1. A commit survives a killed process: WAL, and what was written is in the page cache. `synchronous = NORMAL` keeps the
 *    file whole over a power cut too, at the price of the last moments' commits.
 * 2. Two processes share the file (server and event bridge): each write transaction is short, and waits for the other.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const FILE_NAME = 'metadata.sqlite';
/** Without it the second writer gets SQLITE_BUSY at once instead of waiting out the other's short transaction. */
const BUSY_TIMEOUT_MS = 10_000;
/** 4 KiB pages. The default of 1,000 would sync the file several times a second under load. */
const CHECKPOINT_PAGES = 8_000;

/** Opens `<directory>/metadata.sqlite`, creating both when absent. The caller closes it. */
export function openMetadataDatabase(directory: string, { syncToDisk = false } = {}): DatabaseSync {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(directory, FILE_NAME), { timeout: BUSY_TIMEOUT_MS });
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = ${syncToDisk ? 'FULL' : 'NORMAL'};
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -16384;
    PRAGMA temp_store = MEMORY;
  `);
  return database;
}
