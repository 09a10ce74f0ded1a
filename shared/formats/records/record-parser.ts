/** What the parsers of the formats have in common: text goes in piece by piece, items come out at the collector. */
import type { RecordsSummary } from './record-item.ts';

export interface RecordParser {
  /**
   * `isLast`: nothing comes after it. Yields whenever the collector is full, to continue when that was emptied.
   * @throws FormatFault when the file cannot be read on.
   */
  push(piece: Buffer, isLast: boolean): Generator<void>;
  /** After the last piece. @throws FormatFault when the file as a whole is wrong. */
  finish(): RecordsSummary;
}
