/** What the framings of fixed-width files give their records to. */
import type { RecordFault } from './record-item.ts';

/** One record in units; `bytes` and `at` are where its bytes are, for packed and binary columns. */
export interface FixedRecord {
  readonly units: string;
  readonly line: number;
  readonly bytes: Buffer;
  readonly at: number;
}

export interface RecordSink {
  readonly record: (record: FixedRecord) => void;
  /** A record of which nothing can be read, not even its type. */
  readonly damaged: (line: number, fault: RecordFault, raw: Buffer, isCut: boolean) => void;
  /** Whether somebody should take what was found before there is more. */
  readonly isFull: () => boolean;
}
