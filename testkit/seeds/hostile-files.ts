/** For tests: files that are as costly to read as the limits let a file be, each with an ordinary file of the same format and size. */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { LONGEST_RECORD_BYTES } from '#shared/definitions/routes/max-record-bytes.ts';
import { type RecordsLayout, recordsSchema } from '#shared/definitions/routes/records-schema.ts';

export interface HostileFile {
  /** What reads it. */
  readonly reader: 'rows' | 'csv-to-ndjson' | 'gunzip' | 'unzip' | 'convert' | 'records';
  readonly layout?: RecordsLayout;
  readonly beginning?: string;
  /** After the last unit. */
  readonly end?: string;
  /** Repeated up to the size of the file. */
  readonly unit: Buffer;
  readonly ordinary: Buffer;
  /** At least one unit. */
  readonly sizeBytes: number;
}

const MB = 1_048_576;
const MOST = LONGEST_RECORD_BYTES;
const MOST_COLUMNS = 16_384;

const text = (unit: string) => Buffer.from(unit);
const filled = (before: string, unit: string, after: string, bytes = MOST) =>
  text(before + unit.repeat(Math.floor((bytes - before.length - after.length) / Buffer.byteLength(unit))) + after);
const names = (count: number) => Array.from({ length: count }, (_none, index) => `c${index}`);

const TWO_COLUMNS = 'id,value\n';
const ORDINARY_ROW = text('12345,an ordinary value\n');
const asRows = { reader: 'rows', beginning: TWO_COLUMNS, ordinary: ORDINARY_ROW } as const;
const asNdjson = { ...asRows, reader: 'csv-to-ndjson' } as const;

const columns = (count: number) => names(count).map((name) => ({ name }));
const layoutOf = (format: object) =>
  recordsSchema.parse({ maxRecordBytes: MOST, onReject: 'reject-rows', columns: columns(1), ...format });
const csv = {
  reader: 'records',
  layout: layoutOf({ format: 'csv', header: false }),
  ordinary: text('ordinary\n'),
} as const;
const ndjson = {
  reader: 'records',
  layout: layoutOf({ format: 'ndjson' }),
  ordinary: text(`{"c0":"${'ordinary'.repeat(20)}"}\n`),
} as const;
const fixed = {
  reader: 'records',
  layout: layoutOf({
    format: 'fixed',
    recordLength: 500,
    shortLines: 'pad',
    columns: columns(500).map((column, index) => ({ ...column, from: index + 1, length: 1 })),
  }),
  ordinary: text(`${'ordinary12'.repeat(50)}\n`),
} as const;
const nested = (values: string) => filled('{"c0":[', `${values},`, '1]}\n');
const gzip = { reader: 'gunzip', ordinary: gzipSync(ORDINARY_ROW.toString().repeat(1_000)) } as const;

const fromXml = {
  reader: 'convert',
  beginning: '<rs>',
  end: '</rs>',
  ordinary: text('<r><a>an ordinary value</a></r>'),
} as const;

/** Of deflated entries, by the smallest headers that there are. */
function zipOf(...contents: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  const packedOf = new Map([...new Set(contents)].map((content) => [content, deflateRawSync(content)]));
  let offset = 0;
  for (const [index, content] of contents.entries()) {
    const packed = packedOf.get(content) as Buffer;
    const name = text(`f${index}`);
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt16LE(8, 4);
    facts.writeUInt32LE(crc32(content), 10);
    facts.writeUInt32LE(packed.length, 14);
    facts.writeUInt32LE(content.length, 18);
    facts.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    const local = Buffer.concat([text('PK\x03\x04'), facts, name, packed]);
    directory.push(Buffer.concat([text('PK\x01\x02'), Buffer.from([20, 0]), facts, place, name]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(contents.length, 4);
  end.writeUInt16LE(contents.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, text('PK\x05\x06'), end]);
}
const zip = {
  reader: 'unzip',
  ordinary: zipOf(...Array<Buffer>(250).fill(Buffer.from(ORDINARY_ROW.toString().repeat(1_000)))),
} as const;

export const HOSTILE_FILES: Readonly<Record<string, HostileFile>> = {
  'CSV of blank lines': { ...asRows, unit: text('\n'), sizeBytes: 6 * MB },
  'CSV of short rows': { ...asRows, beginning: 'id\n', unit: text('a\n'), sizeBytes: 3 * MB },
  'CSV of the longest rows': { ...asRows, unit: filled('x,', 'y', '\n'), sizeBytes: 24 * MB },
  'CSV of the longest rows beyond Latin-1': { ...asRows, unit: filled('x,', '€', '\n'), sizeBytes: 24 * MB },
  'CSV of doubled quotes': { ...asRows, unit: filled('x,"', '""', '"\n'), sizeBytes: 12 * MB },
  'CSV without line ends': { ...asRows, unit: text('x'), sizeBytes: 100 * MB },
  'short rows to NDJSON': { ...asNdjson, beginning: 'id\n', unit: text('a\n'), sizeBytes: 3 * MB },
  'the most columns to NDJSON': {
    ...asNdjson,
    beginning: `${names(MOST_COLUMNS)}\n`,
    unit: text(`${','.repeat(MOST_COLUMNS - 1)}1\n`),
    sizeBytes: 6 * MB,
  },
  'control characters to NDJSON': { ...asNdjson, unit: filled('x,', '\x01', '\n'), sizeBytes: 24 * MB },
  'records of short CSV rows': { ...csv, unit: text('a\n'), sizeBytes: MB },
  'records of the longest CSV rows': { ...csv, unit: filled('', '€', '\n'), sizeBytes: 24 * MB },
  'records of rejected CSV rows': { ...csv, unit: filled('', 'y,', '\n'), sizeBytes: 24 * MB },
  'NDJSON of the longest lines': { ...ndjson, unit: filled('{"c0":"', 'x', '"}\n'), sizeBytes: 32 * MB },
  'NDJSON of escapes': { ...ndjson, unit: filled('{"c0":"', '\\u0001', '"}\n'), sizeBytes: 24 * MB },
  'NDJSON of rejected lines': { ...ndjson, unit: filled('{"z":"', '€', '"}\n'), sizeBytes: 24 * MB },
  'NDJSON of cut lines': { ...ndjson, unit: filled('{"c0":"', 'x', '\n'), sizeBytes: 24 * MB },
  'NDJSON of nested values': { ...ndjson, unit: nested('{"a":[]}'), sizeBytes: 12 * MB },
  'NDJSON of nested keys': {
    ...ndjson,
    unit: nested(`{${names(9_999).map((name) => `"${name}":1`)}}`),
    sizeBytes: 12 * MB,
  },
  'NDJSON without line ends': { ...ndjson, unit: text('x'), sizeBytes: 100 * MB },
  'fixed width of the longest lines': { ...fixed, unit: filled('', 'y', '\n'), sizeBytes: 24 * MB },
  'fixed width of two-unit characters': { ...fixed, unit: text(`${'😀'.repeat(500)}\n`), sizeBytes: 2 * MB },
  'gzip of zeros': { ...gzip, unit: gzipSync(Buffer.alloc(200 * MB)), sizeBytes: MB },
  'XML of the longest records to CSV': {
    ...fromXml,
    unit: filled('<r><a>', '€', '</a></r>', MB),
    sizeBytes: 24 * MB,
  },
  'XML of nested elements to CSV': {
    ...fromXml,
    unit: text(`<r><a>1</a>${'<b>'.repeat(50)}${'</b>'.repeat(50)}</r>`),
    sizeBytes: 6 * MB,
  },
  'zip of zeros': { ...zip, unit: zipOf(Buffer.alloc(20 * MB)), sizeBytes: 1 },
  'zip of many entries': { ...zip, unit: zipOf(...Array<Buffer>(9_000).fill(text('an entry'))), sizeBytes: 1 },
  'gzip of members': { ...gzip, unit: Buffer.concat([gzipSync('x'), Buffer.alloc(1)]), sizeBytes: 40_000 },
};

/** As a route has it; `records` are read by their layout. */
export const STEP_OF_READER: Readonly<Record<Exclude<HostileFile['reader'], 'records'>, string>> = {
  rows: '{ validate: { csv: { everyRow: true } } }',
  'csv-to-ndjson': '{ transform: { ops: [{ csv-to-ndjson: { maxRejected: 100000 } }] } }',
  gunzip: '{ transform: { ops: [{ gunzip: }] } }',
  convert: '{ convert: { from: { format: xml, record: r }, to: { format: csv, columns: [a], unknown: ignore } } }',
  // It is checked as a whole, and none of its entries becomes a file.
  unzip: '{ unpack: { only: ["none/**"] } }',
};

/** Of whole units. */
export async function contentOf({ unit, sizeBytes, beginning, end }: HostileFile, mostBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of piecesOf(unit, Math.min(sizeBytes, mostBytes), beginning, end)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** In the pieces of a network, with a turn of the event loop before each. Of whole units. */
export async function* piecesOf(unit: Buffer, mostBytes: number, beginning = '', end = ''): AsyncGenerator<Buffer> {
  const sizeBytes = Math.max(1, Math.floor(mostBytes / unit.length)) * unit.length;
  if (beginning !== '') yield Buffer.from(beginning);
  for (let given = 0; given < sizeBytes; given += PIECE_BYTES) {
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, sizeBytes - given));
    for (let at = 0; at < piece.length; ) {
      at += unit.copy(piece, at, (given + at) % unit.length);
    }
    await new Promise(setImmediate);
    yield piece;
  }
  if (end !== '') yield Buffer.from(end);
}
const PIECE_BYTES = 65_536;
