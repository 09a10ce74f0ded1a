/** The layout in `docs/guides/record-layouts.md` is that of the example's route, and has each column where its copybook has the field. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseAllDocuments, parse as parseYaml } from 'yaml';
import type { RecordColumn } from '#shared/definitions/routes/record-column-schema.ts';
import { type FixedRecords, recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { encodeColumn } from './encode-column.ts';
import { readRecords } from './read-records.ts';
import { encodingCodec } from './record-encoding.ts';
import type { RecordItem, RecordValues } from './record-item.ts';

const root = new URL('../../../', import.meta.url);
const page = readFileSync(new URL('docs/guides/record-layouts.md', root), 'utf8');
const yaml = /```yaml\n(.*?)```/s.exec(page)?.[1] ?? '';
const copybook = /```cobol\n(.*?)```/s.exec(page)?.[1] ?? '';
const layout = recordsSchema.parse(parseYaml(yaml).records) as FixedRecords;
const codec = encodingCodec('cp037');

interface Field {
  readonly name: string;
  readonly from: number;
  readonly length: number;
}

/** Positions by the rules of the page's table: the sum of all lengths before. */
function fieldsOf(source: string): Field[] {
  let from = 1;
  return [...source.matchAll(/^ +05 +(\S+) +PIC (\S+?)((?: COMP(?:-3)?)?)\./gm)].map(
    ([, name = '', picture = '', usage]) => {
      const places = [...picture.matchAll(/[X9](?:\((\d+)\))?/g)].reduce(
        (sum, [, count]) => sum + Number(count ?? 1),
        0,
      );
      const length =
        usage === ' COMP-3' ? Math.floor(places / 2) + 1 : usage === ' COMP' ? binaryLength(places) : places;
      const field = { name, from, length };
      from += length;
      return field;
    },
  );
}

function binaryLength(digits: number): number {
  if (digits <= 4) return 2;
  return digits <= 9 ? 4 : 8;
}

function record(type: string, columns: readonly RecordColumn[], values: RecordValues): Buffer {
  const bytes = codec.encodeText(type.padEnd(layout.recordLength));
  for (const column of columns) {
    encodeColumn(column, values[column.name] ?? null, codec).copy(bytes, (column.from ?? 1) - 1);
  }
  return bytes;
}

async function read(bytes: Buffer): Promise<RecordItem[]> {
  const source = (async function* () {
    yield bytes;
  })();
  const items: RecordItem[] = [];
  for await (const item of readRecords(source, layout)) items.push(item);
  return items;
}

const first: RecordValues = {
  rfi: '0012345678',
  isin: 'DE000A007919',
  coupon: '1',
  holder: 'MÜLLER & SÖHNE GMBH',
  due: '2026-01-31',
  nominal: '1234567.89',
  rate: '-12.3000',
  sequence: '-7',
  remark: null,
};
const second: RecordValues = { ...first, rfi: '0012345679', due: null, nominal: '-0.01', rate: null, sequence: '8' };
const file = (count: string, nominalTotal: string) =>
  Buffer.concat([
    record('H', layout.header?.columns ?? [], { businessDay: '2026-02-01' }),
    record('D', layout.columns, first),
    record('D', layout.columns, second),
    record('T', layout.trailer?.columns ?? [], { count, nominalTotal }),
  ]);

it('is the layout of the example', () => {
  const documents = parseAllDocuments(readFileSync(new URL('examples/globex-bank/routes.yaml', root), 'utf8'));
  const routes = documents.map((document) => document.toJS() as Record<string, unknown>);
  expect(routes.find(({ name }) => name === 'rfi')?.records).toEqual(parseYaml(yaml).records);
});

it('has a column at the positions of each field of the copybook, but for the type and the filler', () => {
  const fields = fieldsOf(copybook);
  const last = fields.at(-1);
  expect((last?.from ?? 0) + (last?.length ?? 0) - 1).toBe(layout.recordLength);
  const positions = fields.filter(({ name }) => !['REC-TYPE', 'FILLER'].includes(name));
  expect(layout.columns.map(({ from, length }) => ({ from, length }))).toEqual(
    positions.map(({ from, length }) => ({ from, length })),
  );
  const noted = [...copybook.matchAll(/\*> (\d+)(?:-\d+)?/g)].map(([, from]) => Number(from));
  expect(noted).toEqual(fields.map(({ from }) => from));
});

it('reads header, details and trailer of an EBCDIC file without line ends', async () => {
  const bytes = file('2', '1234567.88');
  expect(bytes).toHaveLength(4 * 100);
  const items = await read(bytes);
  expect(items.slice(1)).toMatchObject([
    { type: 'header', values: { businessDay: '2026-02-01' } },
    { type: 'row', line: 2, values: first },
    { type: 'row', line: 3, values: second },
    { type: 'trailer', values: { count: '2', nominalTotal: '1234567.88' } },
    { type: 'summary', records: 2, accepted: 2, totals: [{ sum: '1234567.88', isCompared: true }] },
  ]);
});

it('refuses it when the trailer says otherwise', async () => {
  await expect(read(file('3', '1234567.88'))).rejects.toMatchObject({ code: 'FIXED_TRAILER_COUNT', line: 4 });
  await expect(read(file('2', '1234567.89'))).rejects.toMatchObject({ code: 'FIXED_TRAILER_TOTAL', line: 4 });
});
