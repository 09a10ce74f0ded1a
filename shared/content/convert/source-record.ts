/** What reading the records of a file gives, whatever its format. */
import type { ErrorCode } from '#shared/errors.ts';

export type RecordTree = Readonly<Record<string, unknown>>;

export type SourceItem =
  /** Of a CSV, before its first record. */
  | { readonly type: 'columns'; readonly line: number; readonly names: readonly string[]; readonly text: string }
  /** Values are texts, numbers (an `ExactNumber` where JavaScript would write another), booleans, null, lists and objects. */
  | { readonly type: 'record'; readonly line: number; readonly value: RecordTree; readonly text: () => string }
  | {
      readonly type: 'rejected';
      readonly line: number;
      readonly code: ErrorCode;
      readonly message: string;
      /** As it was sent. */
      readonly text: string;
      readonly isCut: boolean;
    };

export type SourceItems = AsyncGenerator<readonly SourceItem[]>;
