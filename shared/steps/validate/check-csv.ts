/** The CSV checks of `validate`: by default only as much is read as the header takes. */
import { checkCsvHeader } from '#shared/formats/check-csv-header.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { readCsv } from '#shared/formats/read-csv.ts';
import type { StepContext } from '../step-context.ts';
import { failed } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import type { ValidateOptions } from './options.ts';

type CsvRule = NonNullable<ValidateOptions['csv']>;

/** Up to here the bytes come whole, which keeps the connection; a stream that is left early costs it. */
const WHOLE_UP_TO_BYTES = 262_144;
/** A byte order mark and the line break of the longest header. */
const BESIDES_HEADER_BYTES = 8;

export async function checkCsv(context: StepContext<ValidateOptions>): Promise<StepOutcome | undefined> {
  const { csv } = context.options;
  if (csv === undefined || context.object.sizeBytes === 0) return undefined;
  try {
    return await check(context, csv);
  } catch (error) {
    if (!(error instanceof FormatFault)) throw error;
    return failed('VALIDATION_ERROR', error.code, `${error.message} ${error.hint}`);
  }
}

async function check(context: StepContext<ValidateOptions>, csv: CsvRule): Promise<StepOutcome | undefined> {
  let columns: number | undefined;
  let rows = 0;
  for await (const item of readCsv(bytesToRead(context, csv), csv)) {
    if (item.type === 'header') {
      const fault = checkCsvHeader(item.names, csv);
      if (fault !== undefined) throw fault;
      columns = item.names.length;
      if (!csv.everyRow) return undefined;
    } else if (item.type === 'rejected') {
      throw new FormatFault(item.code as 'CSV_COLUMN_COUNT', item.message, item.line);
    } else {
      rows += 1;
    }
  }
  if (columns === undefined)
    throw new FormatFault('CSV_HEADER_MISSING', 'The file has no row that could be its header.', 1);
  return { type: 'succeeded', output: { columns, rows } };
}

function bytesToRead({ store, object, signal }: StepContext<ValidateOptions>, csv: CsvRule): AsyncIterable<Uint8Array> {
  const options = { ifMatch: object.etag, signal };
  if (csv.everyRow) return store.readStream(object, options);
  const last = Math.min(object.sizeBytes, csv.maxRecordBytes * 2 + BESIDES_HEADER_BYTES) - 1;
  if (last >= WHOLE_UP_TO_BYTES) return store.readStream(object, { ...options, range: { first: 0, last } });
  return (async function* () {
    yield await store.readRange(object, { first: 0, last }, options);
  })();
}
