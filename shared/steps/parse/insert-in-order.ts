/**
 * Rows of a file go to the store in batches, in their order.
 *
 * 1. One insert is under way while the next batch is filled: two batches are all that is held.
 * 2. A batch is sent after the one before it is stored, so that after a crash no line is missing before the last one.
 */
import type { NewRecord, RecordStore } from '../record-store.ts';

/** One statement's rows: more do not go faster and hold their locks longer. */
const BATCH_ROWS = 1_000;

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
  let inFlight: Promise<unknown> = Promise.resolve();

  async function send(): Promise<void> {
    const full = batch;
    batch = [];
    await inFlight;
    inFlight = store.insert(full);
    // Its failure is met by whoever waits for it next; until then nobody has asked.
    inFlight.catch(() => {});
  }

  return {
    add(record) {
      batch.push(record);
      return batch.length < BATCH_ROWS ? undefined : send();
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
