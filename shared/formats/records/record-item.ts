/** What reading a record file gives, item by item. */

import type { Encoding } from '#shared/definitions/routes/encoding-schema.ts';
import type { RecordColumn } from '#shared/definitions/routes/record-column-schema.ts';
import type { ErrorCode } from '#shared/errors.ts';
import { visibleText } from '#shared/text/visible-text.ts';

/** Numbers are exact decimal texts (`-12.30`), dates ISO 8601; null is "no value". */
export type RecordValue = string | boolean | null;
export type RecordValues = Readonly<Record<string, RecordValue>>;

export interface RecordFault {
  readonly code: ErrorCode;
  /** Never shows the value. */
  readonly message: string;
  readonly column?: string;
  /** Fixed width and JSON: where in the line, from 1. */
  readonly position?: number;
  /** For people: cut, without control characters, and `***` where the column is sensitive. */
  readonly value?: string;
}

export interface RejectedRecord extends RecordFault {
  readonly type: 'rejected';
  readonly line: number;
  /** Further faults of the same record. */
  readonly moreFaults: readonly RecordFault[];
  /** The record as it was sent, without its line end. Holds sensitive values: for the rejects file alone, never for logs. */
  readonly raw: Buffer;
  /** Whether `raw` is the beginning only, of a record that was too long. */
  readonly isCut: boolean;
}

export interface ControlTotal {
  /** The trailer's column. */
  readonly column: string;
  readonly sumOf: string;
  readonly declared: string;
  readonly sum: string;
  /** False when a rejected record's value could not be read: then the sums say nothing. */
  readonly isCompared: boolean;
}

export interface RecordsSummary {
  /** accepted + rejected. */
  readonly records: number;
  readonly accepted: number;
  readonly rejected: number;
  /** The last line, with header and trailer. */
  readonly lines: number;
  readonly declaredCount: string | null;
  readonly totals: readonly ControlTotal[];
}

export type RecordItem =
  /** The first. `encoding` is the one that is used, after a look at the byte order mark. */
  | { readonly type: 'start'; readonly encoding: Encoding; readonly hasMark: boolean }
  /** A CSV header has no values. */
  | { readonly type: 'header'; readonly line: number; readonly values: RecordValues; readonly raw: Buffer }
  | { readonly type: 'row'; readonly line: number; readonly values: RecordValues }
  | RejectedRecord
  | { readonly type: 'trailer'; readonly line: number; readonly values: RecordValues; readonly raw: Buffer }
  /** The last, and only of a file that was read to its end. */
  | ({ readonly type: 'summary' } & RecordsSummary);

const LONGEST_SHOWN = 64;

export function shownValue(text: string, column: RecordColumn | undefined): string {
  if (column?.sensitive) return '***';
  const cut = text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}...` : text;
  // Control characters and marks of text direction forge log lines and terminals.
  return visibleText(cut);
}
