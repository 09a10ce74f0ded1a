/** Rows as PostgreSQL reads them, of the columns that are named. Each function throws `row-refused` for a text that it cannot hold. */
import { DatabaseError } from '#shared/databases/database-error.ts';
import type { RecordValue } from '#shared/formats/records/record-item.ts';
import type { Row } from './read-rows.ts';

/** Most values have none of these, so that one look is enough. */
const NOTABLE = /[\\"\t\n\r\0\ud800-\udfff]/;
/** PostgreSQL's text has neither. */
const UNSTORABLE = /[\0\ud800-\udfff]/u;
/** What needs a backslash in a line of COPY. */
const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** As COPY reads them: in its text format. */
export function linesOf(rows: readonly Row[], columns: readonly string[]): string {
  let text = '';
  for (const { line, values } of rows) {
    let separator = '';
    for (const from of columns) {
      const value: RecordValue | undefined = values[from];
      text += separator;
      separator = '\t';
      if (value === null || value === undefined) text += '\\N';
      else if (isPlain(value)) text += value;
      else text += storable(value, line).replace(/[\\\t\n\r]/g, (character) => ESCAPED[character] ?? character);
    }
    text += '\n';
  }
  return text;
}

/** Its text is what is written. */
function isPlain(value: string | boolean): boolean {
  return typeof value !== 'string' || !NOTABLE.test(value);
}

function storable(value: RecordValue, line: number): string {
  const written = String(value);
  if (UNSTORABLE.test(written)) throw refusedLine(line, 'it has a NUL character or a lone surrogate');
  return written;
}

/** One column, as PostgreSQL writes an array of texts. */
export function arrayOf(rows: readonly Row[], from: string): string {
  let text = '{';
  for (const { line, values } of rows) {
    if (text.length > 1) text += ',';
    const value: RecordValue | undefined = values[from];
    if (value === null || value === undefined) {
      text += 'NULL';
      continue;
    }
    text += isPlain(value) ? `"${value}"` : `"${storable(value, line).replace(/["\\]/g, '\\$&')}"`;
  }
  return `${text}}`;
}

/** What an error of the whole load becomes once its line is known. */
export function refusedLine(line: number, why: string): DatabaseError {
  const reason = why.replace(/\.$/, '');
  return new DatabaseError('row-refused', `Line ${line}: ${reason.charAt(0).toLowerCase()}${reason.slice(1)}.`);
}
