/**
 * Rows of a file go to the store in batches, in their order.
 *
 * 1. Two inserts are under way while the next batch is filled: three batches are all that is held, bounded by rows and by text.
 * 2. A batch is sent after all but the one before it are stored: after a crash no line is missing before the last `MOST_AHEAD` rows.
 * 3. Of rows with the same business key the first one is stored first: batches that share a key follow each other.
 */
import { inTurnElsewhere } from '#shared/formats/event-loop-turns.ts';
import type { NewRecord, RecordStore } from '../record-store.ts';

/** One statement's rows: more do not go faster and hold their locks longer. */
const BATCH_ROWS = 1_000;
/** One batch is written while the worker, the network and the commit of the other take their time; more add nothing. */
const AT_ONCE = 2;
/** Rows that may be stored although others before them are not. */
export const MOST_AHEAD = BATCH_ROWS * (AT_ONCE - 1);
/**
 * Of all its values, in characters: a batch of long rows is sent before it has its rows, with one row more at the most. It keeps the database, and
 * this process that writes it, busy for some milliseconds; others wait for no longer.
 */
const BATCH_TEXT = 131_072;
/** What the name of a value takes: rows of hundreds of columns without text are long too. */
const FIELD_TEXT = 16;

export interface OrderedInserts {
  /** A promise only when a batch is full, to be awaited before the next row. */
  add(record: NewRecord): Promise<void> | undefined;
  /** Sends what is left; all rows are stored when it resolves. */
  finish(): Promise<void>;
  /** When nothing is under way any more, whatever became of it. */
  settled(): Promise<void>;
}

interface Sent {
  readonly keys: ReadonlySet<string>;
  readonly stored: Promise<unknown>;
}

export function insertInOrder(store: Pick<RecordStore, 'insert'>): OrderedInserts {
  let batch: NewRecord[] = [];
  let text = 0;
  /** Oldest first. */
  const underWay: Sent[] = [];

  async function send(): Promise<void> {
    const full = batch;
    batch = [];
    text = 0;
    const keys = keysOf(full);
    while (underWay.length >= AT_ONCE || underWay.some((sent) => sharesKey(sent.keys, keys))) await oldest();
    const stored = inTurnElsewhere(() => store.insert(full));
    // Its failure is met by whoever waits for it next; until then nobody has asked.
    stored.catch(() => {});
    underWay.push({ keys, stored });
  }

  async function oldest(): Promise<void> {
    await underWay[0]?.stored;
    underWay.shift();
  }

  return {
    add(record) {
      batch.push(record);
      text += textOf(record);
      return batch.length < BATCH_ROWS && text < BATCH_TEXT ? undefined : send();
    },
    async finish() {
      if (batch.length > 0) await send();
      while (underWay.length > 0) await oldest();
    },
    async settled() {
      await Promise.allSettled(underWay.map(({ stored }) => stored));
    },
  };
}

function keysOf(records: readonly NewRecord[]): Set<string> {
  const keys = new Set<string>();
  for (const { businessKey } of records) if (businessKey !== null) keys.add(businessKey);
  return keys;
}

function sharesKey(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  for (const key of one) if (other.has(key)) return true;
  return false;
}

function textOf({ values, rejected }: NewRecord): number {
  let length = rejected === undefined ? 0 : rejected.message.length;
  for (const name in values) {
    const value = values[name];
    length += FIELD_TEXT + (typeof value === 'string' ? value.length : 0);
  }
  return length;
}
