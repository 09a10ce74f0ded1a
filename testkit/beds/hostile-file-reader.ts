/** Reads an ordinary file and then a hostile one, as its step would, and prints what memory the second took beyond the first. */
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { openZip } from '#shared/content/archives/zip-archive.ts';
import { convertRecords } from '#shared/content/convert/convert-records.ts';
import { csvToNdjson } from '#shared/formats/csv/csv-to-ndjson.ts';
import { readCsvRows } from '#shared/formats/csv/read-csv-rows.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { gunzip } from '#shared/formats/gunzip.ts';
import { readRecordBatches } from '#shared/formats/records/read-records.ts';
import { writeRejects } from '#shared/formats/records/write-rejects.ts';
import { insertInOrder } from '#shared/steps/parse/insert-in-order.ts';
import { peakRssBytes } from '#testkit/checks/peak-rss.ts';
import { HOSTILE_FILES, type HostileFile, piecesOf } from '#testkit/seeds/hostile-files.ts';

const DIALECT = { delimiter: ',', quote: '"', encoding: 'utf-8', maxRecordBytes: 1_048_576 } as const;

async function read(source: AsyncIterable<Uint8Array>, { reader, layout }: HostileFile): Promise<void> {
  if (layout !== undefined) return await readRecords(source, layout);
  const counts = { recordsIn: 0, recordsOut: 0, rejected: [] };
  const read = {
    rows: () => readCsvRows(source, DIALECT),
    'csv-to-ndjson': () => csvToNdjson(source, { ...DIALECT, maxRejected: 100_000 }, counts),
    convert: () =>
      convertRecords(
        source,
        {
          from: { format: 'xml', record: 'r', maxRecordBytes: 4 * 1_048_576 },
          to: { ...DIALECT, format: 'csv', header: true, unknown: 'ignore', lineEnd: '\n' },
          columns: ['a'],
        },
        {
          counts: { recordsIn: 0, recordsOut: 0, recordsRejected: 0 },
          reject: async () => {},
          judge: () => {},
        },
      ),
    unzip: () => unzip(source),
    gunzip: () => gunzip(source, { maxRatio: 200, maxBytes: 10_000_000_000 }),
    records: () => {
      throw new Error('records are read by a layout');
    },
  }[reader]();
  for await (const _taken of read) await setImmediate();
}

/** As the step does, whose store gives ranges of it. */
async function* unzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const bytes = await buffer(source);
  const readRange = async ({ first, last }: { first: number; last: number }) => bytes.subarray(first, last + 1);
  const archive = await openZip(
    {
      sizeBytes: bytes.length,
      readRange,
      async *streamRange(range) {
        yield await readRange(range);
      },
    },
    { maxEntries: 10_000, maxBytes: 10_000_000_000, maxRatio: 200 },
  );
  for await (const entry of archive.entries()) yield* entry.open();
}

async function readRecords(
  source: AsyncIterable<Uint8Array>,
  layout: NonNullable<HostileFile['layout']>,
): Promise<void> {
  const inserts = insertInOrder({
    async insert(records) {
      const documents = records.map(({ values }) => JSON.stringify(values));
      await setImmediate();
      return { accepted: documents.length, rejected: 0, duplicates: 0 };
    },
  });
  for await (const items of readRecordBatches(source, layout)) {
    for (const item of items) {
      if (item.type === 'row') await inserts.add({ line: item.line, businessKey: null, values: item.values });
    }
    for await (const _rejects of writeRejects(items, layout)) await setImmediate();
  }
  await inserts.finish();
}

const file = HOSTILE_FILES[process.argv[2] ?? ''];
if (file === undefined) throw new Error(`there is no hostile file "${process.argv[2]}"`);
const ordinaryBytes = file.reader === 'unzip' ? file.ordinary.length : Math.min(file.sizeBytes, 6_291_456);
const beginning = file.reader === 'convert' ? file.beginning : file.beginning && 'id,value\n';
await read(piecesOf(file.ordinary, ordinaryBytes, beginning, file.end), file);
const before = await peakRssBytes(process.pid);
let code: string | null = null;
try {
  await read(piecesOf(file.unit, file.sizeBytes, file.beginning, file.end), file);
} catch (error) {
  if (!(error instanceof FormatFault)) throw error;
  code = error.code;
}
process.stdout.write(JSON.stringify({ grownBytes: (await peakRssBytes(process.pid)) - before, code }));
