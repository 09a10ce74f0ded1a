/**
 * What the gateway must not forget when it dies: the transfer events that nobody has sent on yet, and the multipart uploads
 * that are open. A small SQLite file of its own; the event bridge, another process, reads and empties the events.
 *
 * 1. An event is on disk before the client reads that its upload succeeded.
 * 2. It stays until it is removed; a reader that dies before sees it again (at least once).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makePrivate } from '#local/private-file.ts';
import { waitForRows } from '#local/wait-for-rows.ts';
import type { TransferEvent } from './transfer-event.ts';

interface OpenUpload {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

export interface OpenUploads {
  add(upload: OpenUpload): void;
  remove(uploadId: string): void;
  list(): OpenUpload[];
}

export interface TransferJournal {
  append(event: TransferEvent): void;
  /** The oldest events after the position `after`, at most `limit`. */
  read(limit: number, after?: number): { readonly position: number; readonly event: TransferEvent }[];
  remove(positions: readonly number[]): void;
  /** Resolves to `true` once an event after `after` is there, to `false` once `signal` aborts. */
  waitForEntries(signal: AbortSignal, after?: number): Promise<boolean>;
  readonly openUploads: OpenUploads;
  close(): void;
}

const BUSY_TIMEOUT_MS = 10_000;

/** Opens `<directory>/transfers.sqlite`, creating both when absent. The caller closes it. */
export function openTransferJournal(directory: string): TransferJournal {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(makePrivate(join(directory, 'transfers.sqlite')), { timeout: BUSY_TIMEOUT_MS });
  // AUTOINCREMENT: a position is never given twice, so `after` skips nothing when the table was emptied in between.
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS open_uploads (upload_id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL);
  `);
  const insert = database.prepare('INSERT INTO events (event) VALUES (?)');
  const select = database.prepare('SELECT position, event FROM events WHERE position > ? ORDER BY position LIMIT ?');
  const erase = database.prepare('DELETE FROM events WHERE position IN (SELECT value FROM json_each(?))');
  const peek = database.prepare('SELECT 1 FROM events WHERE position > ? LIMIT 1');
  const note = database.prepare('INSERT OR REPLACE INTO open_uploads (upload_id, bucket, key) VALUES (?, ?, ?)');
  const strike = database.prepare('DELETE FROM open_uploads WHERE upload_id = ?');
  const notes = database.prepare('SELECT upload_id, bucket, key FROM open_uploads');

  return {
    append: (event) => void insert.run(JSON.stringify(event)),
    read: (limit, after = 0) =>
      select
        .all(after, limit)
        .map((row) => ({ position: Number(row.position), event: JSON.parse(String(row.event)) as TransferEvent })),
    remove(positions) {
      if (positions.length > 0) erase.run(JSON.stringify(positions));
    },
    async waitForEntries(signal, after = 0) {
      return await waitForRows({ directory, hasRows: () => peek.get(after) !== undefined, signal });
    },
    openUploads: {
      add: ({ uploadId, bucket, key }) => void note.run(uploadId, bucket, key),
      remove: (uploadId) => void strike.run(uploadId),
      list: () =>
        notes
          .all()
          .map((row) => ({ uploadId: String(row.upload_id), bucket: String(row.bucket), key: String(row.key) })),
    },
    close: () => database.close(),
  };
}
