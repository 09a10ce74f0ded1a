/** Records of JSON: an object on each line (NDJSON), or the objects of one list. Numbers keep their digits. */
import { REASON_COLUMN } from '#shared/definitions/routes/record-column-schema.ts';
import { decodeText } from '#shared/formats/decode-text.ts';
import { EndMarks } from '#shared/formats/end-marks.ts';
import { parseJsonRecord } from '#shared/formats/records/parse-json-record.ts';
import type { EncodingCodec } from '#shared/formats/records/record-encoding.ts';
import { LineSplitter } from '#shared/formats/records/split-lines.ts';
import { parseExactJson } from '#shared/partners/exact-json.ts';
import { JsonListSplitter } from './json-list-splitter.ts';
import type { RecordTree, SourceItem, SourceItems } from './source-record.ts';

interface JsonForm {
  readonly maxRecordBytes: number;
}

const BLANKS = /^[ \t]*$/;

/** A character that the encoding does not have costs its own line only. `bytes`: without a byte order mark. */
export async function* readNdjsonSource(
  bytes: AsyncIterable<Buffer>,
  codec: EncodingCodec,
  { maxRecordBytes }: JsonForm,
): SourceItems {
  const splitter = new LineSplitter(Math.floor(maxRecordBytes / codec.unitBytes), codec.isEbcdic);
  const marks = new EndMarks(codec.isEbcdic);

  function itemOf(units: string, line: number, isCut: boolean): SourceItem {
    const text = codec.decodeValue(units);
    const shown = text ?? Buffer.from(codec.toBytes(units)).toString('latin1');
    if (isCut) return tooLong(line, shown, maxRecordBytes);
    if (text !== undefined) return recordOf(text, line);
    const message = `The line has bytes that are not ${codec.encoding}.`;
    return { type: 'rejected', line, code: 'JSON_ENCODING', message, text: shown, isCut };
  }

  function* pushed(units: string, isLast: boolean): Generator<readonly SourceItem[]> {
    for (const { text, line, isCut } of splitter.push(marks.without(units, isLast), isLast))
      if (!BLANKS.test(text)) yield [itemOf(text, line, isCut)];
  }

  let odd: Buffer = Buffer.alloc(0);
  for await (const piece of bytes) {
    const joined = odd.length === 0 ? piece : Buffer.concat([odd, piece]);
    const whole = joined.length - (joined.length % codec.unitBytes);
    odd = joined.subarray(whole);
    yield* gathered(pushed(codec.toUnits(joined.subarray(0, whole)), false));
  }
  yield* gathered(pushed('', true));
  if (odd.length > 0) {
    const message = `The file ends within a character of ${codec.encoding}.`;
    yield [
      {
        type: 'rejected',
        line: splitter.lines + 1,
        code: 'JSON_ENCODING',
        message,
        text: odd.toString('latin1'),
        isCut: true,
      },
    ];
  }
}

/** `at`: keys that lead to the list; the document itself when there are none. @throws FormatFault */
export async function* readJsonSource(
  bytes: AsyncIterable<Uint8Array>,
  codec: EncodingCodec,
  { maxRecordBytes, at }: JsonForm & { readonly at: readonly string[] },
): SourceItems {
  const splitter = new JsonListSplitter(at, maxRecordBytes);
  function* pushed(text: string): Generator<readonly SourceItem[]> {
    for (const element of splitter.push(text))
      yield [
        element.isCut ? tooLong(element.line, element.text, maxRecordBytes) : recordOf(element.text, element.line),
      ];
  }
  for await (const text of decodeText(bytes, codec.encoding, { encoding: 'JSON_ENCODING', nul: 'JSON_NUL' }))
    yield* gathered(pushed(text));
  splitter.finish();
}

const MOST_CHARACTERS_HELD = 65_536;
const MOST_RECORDS_HELD = 500;

/** Some records at a time. */
function* gathered(items: Generator<readonly SourceItem[]>): Generator<readonly SourceItem[]> {
  let held: SourceItem[] = [];
  let characters = 0;
  for (const given of items) {
    for (const item of given) {
      held.push(item);
      characters += item.type === 'record' ? item.text().length : 256;
    }
    if (characters < MOST_CHARACTERS_HELD && held.length < MOST_RECORDS_HELD) continue;
    yield held;
    held = [];
    characters = 0;
  }
  if (held.length > 0) yield held;
}

function recordOf(text: string, line: number): SourceItem {
  const checked = parseJsonRecord(text);
  if (!checked.ok) {
    const { code, message, position } = checked;
    return { type: 'rejected', line, code, message: `Character ${position}: ${message}`, text, isCut: false };
  }
  const value = parseExactJson(text) as Record<string, unknown>;
  delete value[REASON_COLUMN];
  return { type: 'record', line, value: value as RecordTree, text: () => text };
}

function tooLong(line: number, text: string, maxRecordBytes: number): SourceItem {
  const message = `The record is longer than ${maxRecordBytes} bytes.`;
  return { type: 'rejected', line, code: 'JSON_LINE_TOO_LONG', message, text, isCut: true };
}
