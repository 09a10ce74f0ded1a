/**
 * The rejected records of a file as a file of the same format and encoding, for the sender to correct and send again.
 *
 * 1. What the sender wrote stays as it is, byte for byte; only what is longer than `maxRecordBytes` is cut.
 * 2. CSV gets a last column `reject_reason`, NDJSON a last key of that name; reading passes both over. A line that is not a JSON object becomes one with
 *    `reject_reason` and, as text, `reject_raw`.
 * 3. Fixed width has no room for a column: the records stand alone, between their header and a trailer whose count is made again, and
 *    `writeRejectReasons` gives the reasons next to them. Totals in the trailer stay: the right values are the sender's to give.
 */
import { REASON_COLUMN } from '#shared/definitions/routes/record-column-schema.ts';
import type { CsvRecords, FixedRecords, NdjsonRecords } from '#shared/definitions/routes/records-schema.ts';
import { encodeColumn } from './encode-column.ts';
import { hasLineEnds } from './fixed-framing.ts';
import { type EncodingCodec, encodingCodec } from './record-encoding.ts';
import type { RecordItem, RejectedRecord } from './record-item.ts';

const LONGEST_COPIED_BYTES = 65_536;
const MARK = '\ufeff';

/** What of a layout says how rejected records are written. */
export type RejectsLayout =
  | FixedRecords
  | Pick<CsvRecords, 'format' | 'encoding' | 'delimiter' | 'quote'>
  | Pick<NdjsonRecords, 'format' | 'encoding'>;

type Items = AsyncIterable<RecordItem> | Iterable<RecordItem>;

/** Takes all items of a file, from `start` on, or those of them that are not rows. Nothing comes out when nothing was rejected. */
export async function* writeRejects(items: Items, layout: RejectsLayout): AsyncGenerator<Buffer> {
  let codec = encodingCodec(layout.encoding);
  let beginning: Buffer = Buffer.alloc(0);
  let rejected = 0;
  for await (const item of items) {
    if (item.type === 'start') {
      codec = encodingCodec(item.encoding);
      beginning = item.hasMark ? codec.encodeText(MARK) : beginning;
    } else if (item.type === 'header') {
      const reason = layout.format === 'csv' ? codec.encodeText(layout.delimiter + REASON_COLUMN) : Buffer.alloc(0);
      beginning = Buffer.concat([beginning, item.raw, reason, lineEnd(layout, codec)]);
    } else if (item.type === 'rejected') {
      if (rejected === 0 && beginning.length > 0) yield beginning;
      rejected += 1;
      yield* withLineEnd(rejectedRow(item, layout, codec), lineEnd(layout, codec));
    } else if (item.type === 'trailer' && rejected > 0 && layout.format === 'fixed') {
      yield Buffer.concat([trailerFor(rejected, item.raw, layout, codec), lineEnd(layout, codec)]);
    }
  }
}

/** A long row is not copied once more for its end. */
function* withLineEnd(row: Buffer, end: Buffer): Generator<Buffer> {
  if (row.length <= LONGEST_COPIED_BYTES) return yield Buffer.concat([row, end]);
  yield row;
  yield end;
}

/** The reasons as a CSV in UTF-8, one row per rejected record in the order of the rejects file; safe to open in a spreadsheet. */
export async function* writeRejectReasons(items: Items): AsyncGenerator<Buffer> {
  const row = (cells: Parameters<typeof spreadsheetRow>[0]) => Buffer.from(spreadsheetRow(cells));
  let rejected = 0;
  for await (const item of items) {
    if (item.type !== 'rejected') continue;
    if (rejected === 0) yield row(['record', 'line', 'column', 'position', 'code', 'message', 'value']);
    rejected += 1;
    for (const fault of [item, ...item.moreFaults]) {
      yield row([rejected, item.line, fault.column, fault.position, fault.code, fault.message, fault.value]);
    }
  }
}

/** One line of ASCII, without a value. */
function rejectReason({ code, message, line, moreFaults }: RejectedRecord): string {
  const faults = [{ code, message }, ...moreFaults].map((fault) => `${fault.code}: ${fault.message}`);
  return `Line ${line}: ${faults.join(' ')}`;
}

function rejectedRow(item: RejectedRecord, layout: RejectsLayout, codec: EncodingCodec): Buffer {
  const reason = rejectReason(item);
  switch (layout.format) {
    case 'fixed':
      return hasLineEnds(layout, codec) ? item.raw : filledUp(item.raw, layout, codec);
    case 'csv':
      return Buffer.concat([item.raw, codec.encodeText(layout.delimiter + quoted(reason, layout.quote))]);
    case 'ndjson':
      return withReason(item, reason, codec);
  }
}

/** Without line ends, a short record would shift all after it. */
function filledUp(raw: Buffer, { recordLength }: FixedRecords, codec: EncodingCodec): Buffer {
  const missing = recordLength - Math.floor(raw.length / codec.unitBytes);
  return missing > 0 ? Buffer.concat([raw, codec.encodeText(' '.repeat(missing))]) : raw;
}

function quoted(text: string, quote: string): string {
  return quote + text.replaceAll(quote, quote + quote) + quote;
}

/** Faults that a JSON object has as a whole; a record with any other fault is an object that members can be added to. */
const NOT_AN_OBJECT: ReadonlySet<string> = new Set([
  'JSON_SYNTAX',
  'JSON_TRUNCATED',
  'JSON_NOT_OBJECT',
  'JSON_DEPTH',
  'JSON_ENCODING',
  'JSON_SURROGATE',
  'JSON_LINE_TOO_LONG',
  'JSON_DUPLICATE_KEY',
  'JSON_TOO_MANY_KEYS',
  'JSON_KEY_REFUSED',
]);

/** As the last member, where it stands after an earlier rejection; a mail program or a JSON writer may have added blanks. */
const EARLIER_REASON = /([{,])\s*"reject_reason"\s*:\s*"(?:[^"\\]|\\.){0,20000}"(?=\s*\}\s*$)/;

function withReason(item: RejectedRecord, reason: string, codec: EncodingCodec): Buffer {
  const member = `${JSON.stringify(REASON_COLUMN)}:${JSON.stringify(reason)}`;
  const written = codec.toUnits(item.raw);
  const units = NOT_AN_OBJECT.has(item.code)
    ? undefined
    : written.replace(EARLIER_REASON, (_all, before) => (before === '{' ? '{' : ''));
  if (units === undefined || units.includes(REASON_COLUMN)) {
    const raw = codec.decodeValue(written) ?? item.raw.toString('latin1');
    return codec.encodeText(`{${member},"reject_raw":${JSON.stringify(raw)}}`);
  }
  const last = units.lastIndexOf('}');
  const before = units.slice(0, last);
  const comma = before.trimEnd().endsWith('{') ? '' : ',';
  return codec.toBytes(before + comma + member + units.slice(last));
}

function trailerFor(rejected: number, raw: Buffer, layout: FixedRecords, codec: EncodingCodec): Buffer {
  const { trailer, header } = layout;
  const column = trailer?.columns.find(({ name }) => name === trailer.count);
  if (trailer === undefined || column === undefined) return raw;
  const others = trailer.countOf === 'all-records' ? (header === undefined ? 1 : 2) : 0;
  const out = Buffer.from(raw);
  encodeColumn(column, String(rejected + others), codec).copy(out, ((column.from ?? 1) - 1) * codec.unitBytes);
  return out;
}

function lineEnd(layout: RejectsLayout, codec: EncodingCodec): Buffer {
  if (layout.format === 'fixed' && !hasLineEnds(layout, codec)) return Buffer.alloc(0);
  return codec.toBytes(codec.isEbcdic ? '\u0085' : '\n');
}

/** A cell that a spreadsheet would take for a formula begins with an apostrophe instead (OWASP, "CSV Injection"). */
export function escapeFormula(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

export function spreadsheetRow(cells: readonly (string | number | null | undefined)[]): string {
  return `${cells.map(quotedCell).join(',')}\r\n`;
}

function quotedCell(cell: string | number | null | undefined): string {
  return `"${escapeFormula(String(cell ?? '')).replaceAll('"', '""')}"`;
}
