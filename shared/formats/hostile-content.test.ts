/** Whatever a file holds, it is read in slices of bounded work, so that its neighbours in the same process keep their turn. */
import { describe, expect, it } from 'vitest';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { readCsvRows } from '#shared/formats/csv/read-csv-rows.ts';
import { readRecordBatches } from './records/read-records.ts';

const DIALECT = { delimiter: ',', quote: '"', encoding: 'utf-8', maxRecordBytes: 1_048_576 } as const;
/** Fields of a slice: the bound of the readers, and one record of the longest. */
const MOST_FIELDS = 2 * 16_384;

interface Repeated {
  readonly bytes: number;
  readonly pieceBytes: number;
  readonly before?: string;
}

async function* repeated(text: string, { bytes, pieceBytes, before = '' }: Repeated): AsyncGenerator<Uint8Array> {
  if (before !== '') yield Buffer.from(before);
  const piece = Buffer.from(text.repeat(Math.ceil(pieceBytes / text.length)));
  for (let given = 0; given < bytes; given += piece.length) yield piece;
}

const columns = (count: number) => Array.from({ length: count }, (_none, index) => ({ name: `c${index}` }));
/** Rows of two bytes, of which each has all fields of the widest layout, are many more fields than a slice may have. */
const OF_RECORDS = { bytes: 32_768, pieceBytes: 16_384 };
const OF_CSV = { bytes: 1_048_576, pieceBytes: 65_536 };

describe('a slice of CSV is bounded', () => {
  it.each([
    ['blank lines', '\n', 'id,val\n'],
    ['blank lines of CR LF', '\r\n', 'id,val\n'],
    ['rows of one column', 'a\n', 'id\n'],
    ['rows that are rejected', 'a\n', 'id,val\n'],
    ['quotes', '"', 'id,val\n'],
    ['doubled quotes', '""\n', 'id\n'],
    ['delimiters', ',', 'id,val\n'],
    ['rows of delimiters', ',\n', 'id,val\n'],
    ['a line without end', 'x', 'id,val\n'],
    ['marks', '\x1a', 'id,val\n'],
    ['marks on lines', '\x1a\n', 'id,val\n'],
    ['the most columns', `${','.repeat(16_383)}1\n`, `${columns(16_384).map(({ name }) => name)}\n`],
  ])('of %s', async (_what, text, header) => {
    let most = 0;
    try {
      for await (const items of readCsvRows(repeated(text, { ...OF_CSV, before: header }), DIALECT)) {
        most = Math.max(
          most,
          items.reduce((sum, item) => sum + (item.type === 'row' ? item.values.length : 1), 0),
        );
      }
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^CSV_(?:QUOTE|RECORD_TOO_LONG)$/) });
    }
    expect(most).toBeLessThanOrEqual(MOST_FIELDS);
  });
});

describe('a slice of records is bounded', () => {
  const csv = { format: 'csv', header: false, columns: columns(2) };
  const ndjson = { format: 'ndjson', columns: columns(500) };
  const fixed = {
    format: 'fixed',
    recordLength: 500,
    shortLines: 'pad',
    columns: columns(500).map((column, index) => ({ ...column, from: index + 1, length: 1 })),
  };

  it.each([
    ['CSV of blank lines', csv, '\n'],
    ['CSV of rejected rows', csv, 'a\n'],
    ['JSON without any of 500 keys', ndjson, '{}\n'],
    ['JSON that is none', ndjson, 'x\n'],
    ['JSON that is nested deeply', ndjson, '['],
    ['JSON of huge numbers', ndjson, `{"c0":${'9'.repeat(5_000)}}\n`],
    ['short lines of 500 columns', fixed, 'x\n'],
    ['EBCDIC of one letter', { ...fixed, encoding: 'cp037' }, '\xc1'],
  ])('of %s', async (_what, layout, text) => {
    const parsed = recordsSchema.parse(layout);
    let most = 0;
    for await (const items of readRecordBatches(repeated(text, OF_RECORDS), parsed)) {
      most = Math.max(most, items.length * (items.some((item) => item.type === 'row') ? parsed.columns.length : 1));
    }
    expect(most).toBeLessThanOrEqual(MOST_FIELDS);
  });
});
