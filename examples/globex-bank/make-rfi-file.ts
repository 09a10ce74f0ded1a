/**
 * Makes `files/rfi/rfi-2026-01-31.dat` as a mainframe would send it: EBCDIC, packed and zoned numbers, no line ends. The same bytes each
 * time: `node examples/globex-bank/make-rfi-file.ts` after a change of the layout, which is the one in `routes.yaml`.
 *
 * A few rows are damaged, a few carry words in their remark that make the simulated partner fail (`local/partner-simulator/README.md`).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseRouteFiles } from '#shared/definitions/parse-route-files.ts';
import type { RecordColumn } from '#shared/definitions/routes/record-column-schema.ts';
import type { FixedRecords } from '#shared/definitions/routes/records-schema.ts';
import { encodeColumn } from '#shared/formats/records/encode-column.ts';
import { encodingCodec } from '#shared/formats/records/record-encoding.ts';
import type { RecordValues } from '#shared/formats/records/record-item.ts';

export const RFI_FILE = new URL('files/rfi/rfi-2026-01-31.dat', import.meta.url);
const ROUTES = new URL('routes.yaml', import.meta.url);
const ROWS = 1_000;
const FIRST_RFI = 4_711_000_000;
const BUSINESS_DAY = '2026-01-31';

/** By row, from 1: what the remark asks of the partner. `V`alidation, `A`ssignments, `C`oupon verification. */
const REMARKS: Readonly<Record<number, string>> = {
  // These fail permanently: a final no at once, the others after three more tries.
  120: 'SIM:V:final',
  340: 'SIM:V:final',
  560: 'SIM:V:reject',
  780: 'SIM:V:500',
  230: 'SIM:A:final',
  450: 'SIM:A:reject',
  670: 'SIM:A:429-1',
  150: 'SIM:C:final',
  490: 'SIM:C:reject',
  830: 'SIM:C:not-json',
  // These succeed in the end, each taken up again where it failed.
  31: 'SIM:V:503:1',
  95: 'SIM:V:reject:2',
  177: 'SIM:A:500:1',
  263: 'SIM:A:429-2:1',
  305: 'SIM:A:reset:1',
  388: 'SIM:C:503:2',
  412: 'SIM:C:not-json:1',
  537: 'SIM:C:reject:3',
  610: 'SIM:V:500:1,C:500:1',
  744: 'SIM:V:slow-400',
  858: 'SIM:C:timeout:1',
  921: 'SIM:A:redirect:1',
};

/** By row: what is in a column instead of its value. Each is rejected, with the code of what is wrong. */
const DAMAGES: Readonly<Record<number, readonly [column: string, text: string]>> = {
  57: ['due', '20261331'],
  288: ['isin', 'xx0000000000'],
  503: ['holder', ''],
  716: ['rate', '12,5000'],
  904: ['coupon', '00{'],
};

/** The row that has the number of another one: the second is refused as a duplicate. */
const REPEATED = { row: 640, of: 12 };

const HOLDERS = ['MÜLLER & SÖHNE GMBH', 'SOCIÉTÉ ÉTOILE SA', 'PEÑA HERMANOS SL', 'NORTHWIND LTD', 'BJØRNSTAD AS'];

export function makeRfiFile(): Buffer {
  const layout = readLayout();
  const codec = encodingCodec(layout.encoding);
  const write = (type: string, columns: readonly RecordColumn[], values: RecordValues): Buffer => {
    const bytes = codec.encodeText(type.padEnd(layout.recordLength));
    for (const column of columns) {
      encodeColumn(column, values[column.name] ?? null, codec).copy(bytes, (column.from ?? 1) - 1);
    }
    return bytes;
  };
  const rows = Array.from({ length: ROWS }, (_, index) => valuesOf(index + 1));
  const details = rows.map((values, index) => {
    const bytes = write('D', layout.columns, values);
    const [name, text = ''] = DAMAGES[index + 1] ?? [];
    const column = layout.columns.find((candidate) => candidate.name === name);
    if (column !== undefined) codec.encodeText(text.padEnd(column.length ?? 0)).copy(bytes, (column.from ?? 1) - 1);
    return bytes;
  });
  const total = rows.reduce((sum, { nominal }) => sum + BigInt(String(nominal).replace('.', '')), 0n);
  const trailer = { count: String(ROWS), nominalTotal: decimal(total, 2) };
  return Buffer.concat([
    write('H', layout.header?.columns ?? [], { businessDay: BUSINESS_DAY }),
    ...details,
    write('T', layout.trailer?.columns ?? [], trailer),
  ]);
}

function readLayout(): FixedRecords {
  const parsed = parseRouteFiles([{ text: readFileSync(ROUTES, 'utf8') }]);
  if (!parsed.ok) throw new Error(`routes.yaml has faults: ${JSON.stringify(parsed.faults)}`);
  const records = parsed.documents.flatMap(({ document }) => (document.kind === 'route' ? [document.records] : []));
  const layout = records.find((candidate) => candidate?.format === 'fixed');
  if (layout === undefined) throw new Error('routes.yaml has no route of fixed-width records');
  return layout;
}

/** Numbers that look like a day's business, by arithmetic alone. */
function valuesOf(row: number): RecordValues {
  const number = row === REPEATED.row ? REPEATED.of : row;
  const day = String(1 + ((row * 7) % 28)).padStart(2, '0');
  return {
    rfi: String(FIRST_RFI + number),
    isin: `DE000A${String((row * 7_919) % 1_000_000).padStart(6, '0')}`,
    coupon: String(1 + (row % 40)),
    holder: HOLDERS[row % HOLDERS.length] ?? '',
    due: row % 50 === 0 ? null : `2026-02-${day}`,
    nominal: decimal(BigInt(((row * 104_729) % 9_000_000) + 100_000), 2),
    rate: decimal(BigInt(((row * 373) % 60_000) - 2_000), 4),
    sequence: String(row),
    remark: REMARKS[row] ?? null,
  };
}

function decimal(units: bigint, places: number): string {
  const digits = String(units < 0n ? -units : units).padStart(places + 1, '0');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

if (import.meta.main) writeFileSync(RFI_FILE, makeRfiFile());
