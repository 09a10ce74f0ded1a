/**
 * The server's end of the journal of events: appends inside the transaction of the object, and forgets what the reader removed.
 *
 * 1. Removed entries leave the journal before they leave the reader's list, so that a kill in between brings none back.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { ObjectCreated } from '#local/s3/event-journal.ts';
import { openRemovedEntries } from '#local/s3/metadata-database.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface JournalWriter {
  /** In the caller's transaction. */
  append(event: ObjectCreated): void;
  close(): void;
}

interface JournalWriterOptions {
  readonly database: DatabaseSync;
  readonly directory: string;
  readonly logger: Logger;
}

const PRUNE_INTERVAL_MS = 1_000;
/** Bounds one visit to some milliseconds. */
const PRUNE_BATCH = 2_000;

export function createJournalWriter({ database, directory, logger }: JournalWriterOptions): JournalWriter {
  const removed = openRemovedEntries(directory, 0);
  const insert = database.prepare('INSERT INTO events (event) VALUES (?)');
  const listRemoved = removed.prepare('SELECT position FROM entries LIMIT ?');
  const forget = removed.prepare('DELETE FROM entries WHERE position IN (SELECT value FROM json_each(?))');
  const erase = database.prepare('DELETE FROM events WHERE position IN (SELECT value FROM json_each(?))');

  function prune(): void {
    try {
      const positions = listRemoved.all(PRUNE_BATCH).map((row) => Number(row.position));
      if (positions.length === 0) return;
      const list = JSON.stringify(positions);
      erase.run(list);
      forget.run(list);
    } catch (error) {
      // Busy with the reader, as a rule; the next round comes soon.
      logger.debug({ err: error }, 'journal was not pruned this time');
    }
  }
  const timer = setInterval(prune, PRUNE_INTERVAL_MS).unref();

  return {
    append: (event) => void insert.run(JSON.stringify(event)),
    close() {
      clearInterval(timer);
      removed.close();
    },
  };
}
