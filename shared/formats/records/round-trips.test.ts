/** Written, then read: the same values, for every type and encoding, however the bytes are cut. */

import { parse as csvParse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EBCDIC_PAGES, type Encoding } from '#shared/definitions/routes/encoding-schema.ts';
import type { RecordColumn } from '#shared/definitions/routes/record-column-schema.ts';
import { type RecordsLayout, recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { FormatFault } from '../format-fault.ts';
import { compileColumns } from './compile-column.ts';
import { csvRecords } from './csv-records.ts';
import { decimalText } from './decimal-text.ts';
import { encodeColumn } from './encode-column.ts';
import { fixedRecords } from './fixed-records.ts';
import { ndjsonRecords } from './ndjson-records.ts';
import { readRecords } from './read-records.ts';
import { RecordCollector } from './record-collector.ts';
import { encodingCodec } from './record-encoding.ts';
import type { RecordItem, RecordValue } from './record-item.ts';

const ENCODINGS: readonly Encoding[] = ['utf-8', 'latin-1', 'windows-1252', 'utf-16le', 'utf-16be', ...EBCDIC_PAGES];
const RUNS = { numRuns: 60 };

/** Below the gathering of pieces, so that every cut reaches the parser. */
function parseInPieces(layout: RecordsLayout, bytes: Buffer, cuts: readonly number[]): unknown[] {
  const codec = encodingCodec(layout.encoding);
  const columns = compileColumns(layout.columns, layout.format, codec);
  const collector = new RecordCollector(columns);
  const parser =
    layout.format === 'csv'
      ? csvRecords(layout, columns, codec, collector)
      : layout.format === 'fixed'
        ? fixedRecords(layout, columns, codec, collector)
        : ndjsonRecords(layout, columns, codec, collector);
  const places = [...new Set(cuts.map((cut) => (cut % (bytes.length + 1)) & ~(codec.unitBytes - 1)))].sort(
    (a, b) => a - b,
  );
  const ends = [...places.filter((place) => place < bytes.length), bytes.length];
  const out: unknown[] = [];
  let from = 0;
  try {
    ends.forEach((end, index) => {
      for (const _full of parser.push(bytes.subarray(from, end), index === ends.length - 1))
        out.push(...collector.take());
      from = end;
    });
    out.push(...collector.take());
    const summary = parser.finish();
    out.push(...collector.take(), summary);
  } catch (error) {
    if (!(error instanceof FormatFault)) throw error;
    out.push(...collector.take(), { code: error.code, line: error.line });
  }
  return out;
}

async function read(layout: RecordsLayout, bytes: Buffer): Promise<RecordItem[]> {
  const items: RecordItem[] = [];
  for await (const item of readRecords([bytes] as unknown as AsyncIterable<Uint8Array>, layout)) items.push(item);
  return items;
}

const valuesOf = (items: readonly unknown[]) =>
  (items as RecordItem[]).flatMap((item) => (item.type === 'row' ? [item.values] : []));

const cuts = fc.array(fc.nat(5_000), { maxLength: 8 });

/** The characters of an encoding of single bytes that are not control characters; each has its own byte. */
const singleByteText = (encoding: Encoding, maxLength: number) => {
  const codec = encodingCodec(encoding);
  const all = [...Array(256).keys()].map((byte) => codec.decodeValue(codec.toUnits(Buffer.of(byte))) ?? '');
  return fc.string({ unit: fc.constantFrom(...all.filter((character) => /^[^\p{Cc}]$/u.test(character))), maxLength });
};
const textFor = (encoding: Encoding, maxLength: number) =>
  encoding.startsWith('utf')
    ? fc.string({ unit: 'grapheme', maxLength }).filter((text) => !/[\p{Cc}]/u.test(text))
    : singleByteText(encoding, maxLength);

interface Case {
  readonly column: Record<string, unknown>;
  readonly value: fc.Arbitrary<RecordValue>;
}

const digitsOf = (count: number, decimals: number) =>
  fc
    .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** BigInt(count) - 1n }))
    .map(([isNegative, units]) => decimalText(isNegative, String(units), decimals));

const isoDate = fc
  .date({ min: new Date('1975-01-01T00:00:00Z'), max: new Date('2060-12-31T23:59:59Z'), noInvalidDate: true })
  .map((date) => date.toISOString());

const numberCases: readonly Case[] = [
  { column: { length: 7, type: 'zoned', decimals: 2 }, value: digitsOf(7, 2) },
  { column: { length: 18, type: 'zoned', sign: 'leading' }, value: digitsOf(18, 0) },
  { column: { length: 8, type: 'zoned', sign: 'trailing-separate', decimals: 7 }, value: digitsOf(7, 7) },
  { column: { length: 3, type: 'zoned', sign: 'leading-separate' }, value: digitsOf(2, 0) },
  { column: { length: 20, type: 'integer' }, value: digitsOf(19, 0) },
  { column: { length: 12, type: 'decimal', decimals: 3 }, value: digitsOf(10, 3) },
];
const dateCases: readonly Case[] = [
  { column: { length: 8, type: 'date', format: 'yyyyMMdd' }, value: isoDate.map((iso) => iso.slice(0, 10)) },
  { column: { length: 7, type: 'date', format: 'yyyyDDD' }, value: isoDate.map((iso) => iso.slice(0, 10)) },
  {
    column: { length: 8, type: 'date', format: 'dd.MM.yy' },
    value: isoDate.map((iso) => iso.slice(0, 10)).filter((iso) => iso < '2060'),
  },
  { column: { length: 14, type: 'date', format: 'yyyyMMddHHmmss' }, value: isoDate.map((iso) => iso.slice(0, 19)) },
  { column: { length: 5, type: 'boolean' }, value: fc.boolean() },
];
const binaryCases: readonly Case[] = [
  { column: { length: 4, type: 'packed', decimals: 2 }, value: digitsOf(7, 2) },
  { column: { length: 19, type: 'packed', decimals: 18 }, value: digitsOf(37, 18) },
  { column: { length: 1, type: 'packed' }, value: digitsOf(1, 0) },
  { column: { length: 2, type: 'binary' }, value: fc.integer({ min: -32_768, max: 32_767 }).map(String) },
  {
    column: { length: 8, type: 'binary', byteOrder: 'little' },
    value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  },
  {
    column: { length: 8, type: 'binary', signed: false, decimals: 4 },
    value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => decimalText(false, String(value), 4)),
  },
];

function fixedLayout(cases: readonly Case[], more: Record<string, unknown>): RecordsLayout {
  let from = 1;
  const columns = cases.map(({ column }, index) => {
    const placed = { name: `c${index}`, ...column, from };
    from += column.length as number;
    return placed;
  });
  return recordsSchema.parse({ format: 'fixed', recordLength: from - 1, columns, ...more });
}

function writeFixed(layout: RecordsLayout, rows: readonly (readonly RecordValue[])[], lineEnd: string): Buffer {
  const codec = encodingCodec(layout.encoding);
  return Buffer.concat(
    rows.flatMap((row) => [
      ...layout.columns.map((column, index) => encodeColumn(column as RecordColumn, row[index] as RecordValue, codec)),
      codec.toBytes(lineEnd),
    ]),
  );
}

const named = (rows: readonly (readonly RecordValue[])[]) =>
  rows.map((row) => Object.fromEntries(row.map((value, index) => [`c${index}`, value])));

describe.each(ENCODINGS)('fixed width in %s', (encoding) => {
  const isUtf = encoding.startsWith('utf');
  const text: Case = {
    column: { length: 12, type: 'text' },
    // UTF-16 counts units, UTF-8 characters: texts of the basic plane are as long in both.
    value: textFor(encoding, 12).map(
      (value) =>
        [...value]
          .filter((character) => character.length === 1)
          .slice(0, 12)
          .join('')
          .trimEnd() || null,
    ),
  };
  const cases = [text, ...numberCases, ...dateCases, ...(isUtf ? [] : binaryCases)];
  const rows = fc.array(fc.tuple(...cases.map(({ value }) => fc.option(value, { nil: null, freq: 8 }))), {
    maxLength: 12,
  });
  const lineEnds = encoding.startsWith('cp') ? ['\n', '\r\n', '\u0085'] : ['\n', '\r\n', '\r'];
  // A binary that is blank is a number all the same.
  const storable = rows.map((given) =>
    given.map((row) =>
      row.map((value, index) => (value === null && cases[index]?.column.type === 'binary' ? '0' : value)),
    ),
  );
  const padded = (given: readonly (readonly RecordValue[])[]) =>
    given.map((row) =>
      row.map((value, index) => (cases[index]?.column.decimals === 4 && value === '0' ? '0.0000' : value)),
    );

  // Without line ends UTF-8 has records of bytes, which may cut a character.
  if (encoding !== 'utf-8')
    it('gives back what was written, without line ends', () => {
      const layout = fixedLayout(cases, { encoding, lineEnds: false });
      fc.assert(
        fc.property(storable.map(padded), cuts, (given, where) => {
          const items = parseInPieces(layout, writeFixed(layout, given, ''), where);
          expect(valuesOf(items)).toEqual(named(given));
          expect(items.at(-1)).toMatchObject({ records: given.length, rejected: 0 });
        }),
        RUNS,
      );
    });

  it('gives back what was written, with each kind of line end', () => {
    const layout = fixedLayout(cases, { encoding, lineEnds: true });
    fc.assert(
      fc.property(storable.map(padded), cuts, fc.constantFrom(...lineEnds), (given, where, lineEnd) => {
        const items = parseInPieces(layout, writeFixed(layout, given, lineEnd), where);
        expect(valuesOf(items)).toEqual(named(given));
        expect(items.at(-1)).toMatchObject({ records: given.length, rejected: 0 });
      }),
      RUNS,
    );
  });

  it('finds the same in any bytes, however they are cut', () => {
    for (const hasEnds of encoding === 'utf-8' ? [true] : [true, false]) {
      const layout = fixedLayout([{ column: { length: 3 }, value: fc.constant(null) }, numberCases[3] as Case], {
        encoding,
        lineEnds: hasEnds,
        maxRecordBytes: 20,
      });
      const noise = fc.array(fc.constantFrom(0x0a, 0x0d, 0x15, 0x25, 0x31, 0xf1, 0xc3, 0xa4, 0x00, 0xd8, 0x40, 0x20), {
        maxLength: 120,
      });
      fc.assert(
        fc.property(noise, cuts, (given, where) => {
          const bytes = Buffer.from(given.slice(0, given.length & ~1));
          expect(parseInPieces(layout, bytes, where)).toEqual(parseInPieces(layout, bytes, []));
        }),
        { numRuns: 200 },
      );
    }
  });
});

describe.each(ENCODINGS)('CSV in %s', (encoding) => {
  const layout = recordsSchema.parse({
    format: 'csv',
    encoding,
    columns: [{ name: 'a' }, { name: 'b' }, { name: 'c', type: 'decimal' }],
  });
  const quotedText = textFor(encoding, 8).chain((text) =>
    fc.constantFrom(text, `${text}"`, `${text},`, `${text}\r\n${text}`, `\n${text}`),
  );
  const row = fc.tuple(quotedText, quotedText, digitsOf(20, 2));

  it('gives back what was written', () => {
    const codec = encodingCodec(encoding);
    fc.assert(
      fc.property(
        fc.array(row),
        cuts,
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.boolean(),
        (rows, where, lineEnd, isEnded) => {
          const cell = (value: string) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
          const lines = [['a', 'b', 'c'], ...rows].map((cells) => cells.map(cell).join(','));
          const bytes = codec.encodeText(lines.join(lineEnd) + (isEnded ? lineEnd : ''));
          const expected = rows.map(([a, b, c]) => ({ a: blankIsNull(a), b: blankIsNull(b), c }));
          expect(valuesOf(parseInPieces(layout, bytes, where))).toEqual(expected);
        },
      ),
      RUNS,
    );
  });

  it('finds the same in any text, however it is cut', () => {
    const codec = encodingCodec(encoding);
    const short = { ...layout, maxRecordBytes: 24 } as RecordsLayout;
    const noise = fc.string({
      unit: fc.constantFrom('a', '1', ',', '"', '\r', '\n', 'ä', '\u0085', '\0'),
      maxLength: 120,
    });
    fc.assert(
      fc.property(noise, cuts, (text, where) => {
        const bytes = codec.encodeText(`a,b,c\n${text}`);
        expect(parseInPieces(short, bytes, where)).toEqual(parseInPieces(short, bytes, []));
      }),
      { numRuns: 300 },
    );
  });
});

it('CSV is taken apart as csv-parse does it', () => {
  const layout = recordsSchema.parse({ format: 'csv', header: false, columns: [{ name: 'a' }, { name: 'b' }] });
  const cell = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '""'), maxLength: 5 });
  const written = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'ü', '\t'), maxLength: 5 }),
    cell.map((text) => `"${text}"`),
    cell.map((text) => `"${text}\n,"`),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(written, written), { minLength: 1 }),
      fc.constantFrom('\n', '\r\n'),
      cuts,
      (rows, end, where) => {
        const text = rows.map((cells) => cells.join(',')).join(end);
        const theirs: string[][] = csvParse(text, { record_delimiter: ['\r\n', '\n', '\r'] });
        const ours = valuesOf(parseInPieces(layout, Buffer.from(text), where));
        // Ours passes over rows of the delimiter alone, theirs does not.
        expect(valuesOf(parseInPieces(layout, Buffer.from(`${text}${end},${end},`), where))).toEqual(ours);
        if (rows.some((cells) => cells.join('') === '')) return;
        expect(ours).toEqual(theirs.map(([a = '', b = '']) => ({ a: blankIsNull(a), b: blankIsNull(b) })));
      },
    ),
    { numRuns: 300 },
  );
});

function blankIsNull(text: string): string | null {
  return text.trim() === '' && !/[^ ]/.test(text) ? null : text;
}

describe('NDJSON', () => {
  const layout = recordsSchema.parse({
    format: 'ndjson',
    unknown: 'ignore',
    columns: [
      { name: 'text', source: 'a "text"' },
      { name: 'number', type: 'decimal' },
      { name: 'yes', type: 'boolean' },
    ],
  });
  const record = fc.record({
    text: fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
    number: digitsOf(30, 4),
    yes: fc.boolean(),
  });

  it('gives back what was written, numbers to the last digit', () => {
    fc.assert(
      fc.property(fc.array(record), fc.jsonValue(), cuts, (records, more, where) => {
        const lines = records.map(({ text, number, yes }) => {
          const other = JSON.stringify(more).includes('__proto__') ? '0' : JSON.stringify(more);
          return `{"a \\"text\\"":${JSON.stringify(text)}, "number":${number},"yes":${yes},"more":${other}}\n`;
        });
        const items = parseInPieces(layout, Buffer.from(lines.join('')), where);
        // JSON.stringify may write half a surrogate pair within `more`.
        if ((items as RecordItem[]).some((item) => item.type === 'rejected' && item.code === 'JSON_SURROGATE')) return;
        expect(valuesOf(items)).toEqual(records.map((given) => ({ ...given, text: blankIsNull(given.text) })));
      }),
      RUNS,
    );
  });

  it('takes the objects that JSON.parse takes, and no other', () => {
    const noise = fc.string({
      unit: fc.constantFrom('{', '}', '"a"', ':', ',', '1', '-', '.', '[', ']', 'true', 'null', ' ', '\\', '"'),
      maxLength: 12,
    });
    fc.assert(
      fc.property(noise, (inside) => {
        const line = `{"x":${inside}}`;
        const [first] = parseInPieces(layout, Buffer.from(line), []) as RecordItem[];
        const isOurs = !(
          first?.type === 'rejected' &&
          (first.code === 'JSON_SYNTAX' || first.code === 'JSON_TRUNCATED')
        );
        let isTheirs = true;
        try {
          JSON.parse(line);
        } catch {
          isTheirs = false;
        }
        if (first?.type !== 'rejected' || first.code !== 'JSON_DUPLICATE_KEY') expect(isOurs).toBe(isTheirs);
      }),
      { numRuns: 2_000 },
    );
  });

  it('finds the same in any bytes, however they are cut', () => {
    const short = { ...layout, maxRecordBytes: 24 } as RecordsLayout;
    const noise = fc.string({ unit: fc.constantFrom('{', '}', '"', ':', '\r', '\n', '1', 'ä'), maxLength: 120 });
    fc.assert(
      fc.property(noise, cuts, (text, where) => {
        const bytes = Buffer.from(text);
        expect(parseInPieces(short, bytes, where)).toEqual(parseInPieces(short, bytes, []));
      }),
      { numRuns: 300 },
    );
  });
});

it('reads the same through the whole reader', async () => {
  const layout = fixedLayout(numberCases, { encoding: 'cp037' });
  const row = ['1.00', '-2', '0.0000003', '-4', '5', '6.000'];
  const items = await read(layout, writeFixed(layout, [row], ''));
  expect(items.map((item) => item.type)).toEqual(['start', 'row', 'summary']);
  expect(valuesOf(items)).toEqual(named([row]));
});
