/**
 * Rows of a file go to the store in batches, in their order.
 *
 * 1. One insert is under way while the next batch is filled: two batches are all that is held, bounded by rows and by text.
 * 2. A batch is sent after the one before it is stored, so that after a crash no line is missing before the last one.
 */
import { inTurnElsewhere } from '#shared/formats/event-loop-turns.ts';
import type { NewRecord, RecordStore } from '../record-store.ts';

/** One statement's rows: more do not go faster and hold their locks longer. */
const BATCH_ROWS = 1_000;
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

export function insertInOrder(store: Pick<RecordStore, 'insert'>): OrderedInserts {
  let batch: NewRecord[] = [];
  let text = 0;
  let inFlight: Promise<unknown> = Promise.resolve();

  async function send(): Promise<void> {
    const full = batch;
    batch = [];
    text = 0;
    await inFlight;
    inFlight = inTurnElsewhere(() => store.insert(full));
    // Its failure is met by whoever waits for it next; until then nobody has asked.
    inFlight.catch(() => {});
  }

  return {
    add(record) {
      batch.push(record);
      text += textOf(record);
      return batch.length < BATCH_ROWS && text < BATCH_TEXT ? undefined : send();
    },
    async finish() {
      if (batch.length > 0) await send();
      await inFlight;
    },
    async settled() {
      await inFlight.catch(() => {});
    },
  };
}

function textOf({ values, rejected }: NewRecord): number {
  let length = rejected === undefined ? 0 : rejected.message.length;
  for (const name in values) {
    const value = values[name];
    length += FIELD_TEXT + (typeof value === 'string' ? value.length : 0);
  }
  return length;
}
