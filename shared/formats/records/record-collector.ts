/**
 * Gathers what a parser finds, and counts it.
 *
 * 1. Every record is either accepted or rejected: records = accepted + rejected.
 * 2. Its memory is bounded: parsers look at `isFull` after each record, and continue when what there is was taken.
 * 3. Only accepted records occupy unique values, so that a rejected one can come again, corrected.
 */
import type { ErrorCode } from '#shared/errors.ts';
import type { ColumnFault, CompiledColumn } from './compile-column.ts';
import { type RecordFault, type RecordItem, type RecordValues, shownValue } from './record-item.ts';
import { UniqueValues } from './unique-values.ts';

/** Told of one record; a layout of hundreds of columns shifted by a byte has one in each. */
const MOST_FAULTS = 20;

/** Fields, and pieces of rejected bytes, that are gathered before somebody has to take them. */
const MOST_WORK = 16_384;
/** A rejected record is told, stored and handed back: as much work as that many fields. */
const FIELDS_OF_A_REJECTION = 16;
const REJECTED_BYTES_OF_A_FIELD = 64;

export class RecordCollector {
  accepted = 0;
  rejected = 0;
  #work = 0;
  readonly #fieldsOfRow: number;
  #items: RecordItem[] = [];
  readonly #unique: readonly CompiledColumn[];
  readonly #seen = new UniqueValues();

  constructor(columns: readonly CompiledColumn[]) {
    this.#fieldsOfRow = columns.length + 1;
    this.#unique = columns.filter(({ column }) => column.unique);
  }

  /** What came since the last call. */
  take(): RecordItem[] {
    const items = this.#items;
    this.#items = [];
    this.#work = 0;
    return items;
  }

  get isFull(): boolean {
    return this.#work >= MOST_WORK;
  }

  add(item: RecordItem): void {
    this.#items.push(item);
  }

  /** A record whose columns were read; `faults` holds what is wrong with them. */
  row(line: number, values: RecordValues, faults: readonly RecordFault[] | undefined, raw: () => Buffer): void {
    this.#work += this.#fieldsOfRow;
    const all = faults ?? (this.#unique.length > 0 ? this.#repetitions(line, values) : undefined);
    if (all !== undefined) {
      this.#reject(line, all, raw(), false);
      return;
    }
    this.accepted += 1;
    this.#items.push({ type: 'row', line, values });
  }

  /** A record that could not be taken apart. */
  broken(line: number, fault: RecordFault, raw: Buffer, isCut = false): void {
    this.#reject(line, [fault], raw, isCut);
  }

  #reject(line: number, faults: readonly RecordFault[], raw: Buffer, isCut: boolean): void {
    const [first, ...moreFaults] = faults;
    if (first === undefined) return;
    this.rejected += 1;
    this.#work += FIELDS_OF_A_REJECTION + raw.length / REJECTED_BYTES_OF_A_FIELD;
    this.#items.push({
      type: 'rejected',
      line,
      ...first,
      moreFaults: moreFaults.slice(0, MOST_FAULTS - 1),
      raw,
      isCut,
    });
  }

  #repetitions(line: number, values: RecordValues): RecordFault[] | undefined {
    let faults: RecordFault[] | undefined;
    this.#unique.forEach(({ name, column }, index) => {
      const value = values[name];
      if (value === null || value === undefined) return;
      const before = this.#seen.add(index, String(value), line);
      if (before === 0) return;
      const message = `The column ${name} has the same value as in line ${before}.`;
      faults = [
        ...(faults ?? []),
        { code: 'COLUMN_DUPLICATE', column: name, message, value: shownValue(String(value), column) },
      ];
    });
    return faults;
  }
}

export function columnFault(compiled: CompiledColumn, fault: ColumnFault, text: string): RecordFault {
  const { column, name } = compiled;
  return {
    code: fault.code,
    message: fault.message,
    column: name,
    ...(column.from === undefined ? {} : { position: column.from }),
    value: shownValue(text, column),
  };
}

export function recordFault(code: ErrorCode, message: string, position?: number, column?: string): RecordFault {
  return {
    code,
    message,
    ...(position === undefined ? {} : { position }),
    ...(column === undefined ? {} : { column }),
  };
}

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
