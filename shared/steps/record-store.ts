/**
 * Where the steps of a record route keep a file's records. Bound to one job and its epoch: each call of a worker that lost the job
 * throws `LEASE_LOST` and changes nothing.
 */
import type { RecordValues } from '#shared/formats/records/record-item.ts';

export interface NewRecord {
  /** In the file, from 1. */
  readonly line: number;
  readonly businessKey: string | null;
  /** Null for a rejected row. */
  readonly values: RecordValues | null;
  readonly rejected?: { readonly cause: string; readonly message: string };
}

export interface InsertedRecords {
  readonly accepted: number;
  readonly rejected: number;
  /** Rows whose business key an earlier record stands for. */
  readonly duplicates: number;
}

export interface RecordSummary {
  /** `SUCCESS`, `FAILED`, `AMBIGUOUS`, `REJECTED`; absent when there is none. */
  readonly byState: Readonly<Record<string, number>>;
  /** By `<code> <cause>`, of those that have a code. */
  readonly byCode: Readonly<Record<string, number>>;
  /** From the job's first claim to now. */
  readonly durationMs: number;
}

export interface RecordResult {
  readonly line: number;
  readonly businessKey: string | null;
  readonly state: string;
  readonly code: string | null;
  readonly cause: string | null;
  readonly message: string | null;
  readonly reference: string | null;
}

export interface RecordStore {
  /** The last line that is there before the last `rows` rows; 0 when there is none. */
  findLineBefore(rows: number): Promise<number>;
  /** Counts of the records that are there, for a parse that continues. */
  count(): Promise<InsertedRecords>;
  /** Lines that are there already change nothing and are not counted. */
  insert(records: readonly NewRecord[]): Promise<InsertedRecords>;
  /** Removes what was accepted of a file that is refused as a whole; the rejected rows stay. */
  discardAccepted(): Promise<void>;
  /** Removes all rows of a file that was read wrong, before the records are processed. */
  discardAll(): Promise<void>;
  /** Whether an operator let the job continue that was held. */
  isReleased(): Promise<boolean>;
  /** Lets the records be processed, and says how many have not ended; repeating it changes nothing. */
  open(): Promise<{ readonly openRecords: number; readonly isPaused: boolean }>;
  summarise(): Promise<RecordSummary>;
  /** Up to `limit` records after a line, in order. */
  results(afterLine: number, limit: number): Promise<readonly RecordResult[]>;
}
