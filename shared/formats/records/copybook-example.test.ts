/** The layout in `docs/record-layouts.md` reads the file that its copybook describes. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import type { RecordColumn } from '#shared/routes/record-column-schema.ts';
import { type FixedRecords, recordsSchema } from '#shared/routes/records-schema.ts';
import { encodeColumn } from './encode-column.ts';
import { readRecords } from './read-records.ts';
import { encodingCodec } from './record-encoding.ts';
import type { RecordItem, RecordValues } from './record-item.ts';

const page = readFileSync(new URL('../../../docs/record-layouts.md', import.meta.url), 'utf8');
const yaml = /```yaml\n(.*?)```/s.exec(page)?.[1] ?? '';
const layout = recordsSchema.parse(parseYaml(yaml).records) as FixedRecords;
const codec = encodingCodec('cp037');

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
  ticket: '0012345678901',
  coupon: '1',
  passenger: 'MÜLLER/JÖRG MR',
  issued: '2026-01-31',
  fare: '1234567.89',
  tax: '-12.30',
  sequence: '-7',
};
const second: RecordValues = { ...first, coupon: '2', issued: null, fare: '-0.01', tax: null, sequence: '8' };
const file = (count: string, fareTotal: string) =>
  Buffer.concat([
    record('H', layout.header?.columns ?? [], { businessDay: '2026-02-01' }),
    record('D', layout.columns, first),
    record('D', layout.columns, second),
    record('T', layout.trailer?.columns ?? [], { count, fareTotal }),
  ]);

it('reads header, details and trailer of an EBCDIC file without line ends', async () => {
  const bytes = file('2', '1234567.88');
  expect(bytes).toHaveLength(4 * 60);
  const items = await read(bytes);
  expect(items.slice(1)).toMatchObject([
    { type: 'header', values: { businessDay: '2026-02-01' } },
    { type: 'row', line: 2, values: first },
    { type: 'row', line: 3, values: second },
    { type: 'trailer', values: { count: '2', fareTotal: '1234567.88' } },
    { type: 'summary', records: 2, accepted: 2, totals: [{ sum: '1234567.88', isCompared: true }] },
  ]);
});

it('refuses it when the trailer says otherwise', async () => {
  await expect(read(file('3', '1234567.88'))).rejects.toMatchObject({ code: 'FIXED_TRAILER_COUNT', line: 4 });
  await expect(read(file('2', '1234567.89'))).rejects.toMatchObject({ code: 'FIXED_TRAILER_TOTAL', line: 4 });
});
