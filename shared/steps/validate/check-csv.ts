/** The CSV checks of `validate`: by default only as much is read as the header takes. */
import { checkCsvHeader } from '#shared/formats/csv/check-csv-header.ts';
import { LONGEST_HEADER_BYTES, readCsvHeader, readCsvRows } from '#shared/formats/csv/read-csv-rows.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import type { StepContext } from '../step-context.ts';
import { failed } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { takesEmpty, type ValidateOptions } from './options.ts';

type CsvRule = NonNullable<ValidateOptions['csv']>;

/** A byte order mark and the line break of the longest header. */
const BESIDES_HEADER_BYTES = 8;

export async function checkCsv(context: StepContext<ValidateOptions>): Promise<StepOutcome | undefined> {
  const { csv } = context.options;
  if (csv === undefined || (context.object.sizeBytes === 0 && takesEmpty(context.options))) return undefined;
  try {
    return await check(context, csv);
  } catch (error) {
    if (!(error instanceof FormatFault)) throw error;
    return failed('VALIDATION_ERROR', error.code, `${error.message} ${error.hint}`);
  }
}

async function check(context: StepContext<ValidateOptions>, csv: CsvRule): Promise<StepOutcome | undefined> {
  if (csv.everyRow) return await checkRows(context, csv);
  const names = await readCsvHeader(beginningOf(context), csv);
  throwFault(names === undefined ? noHeader() : checkCsvHeader(names, csv));
  return undefined;
}

async function checkRows({ store, object, signal }: StepContext<ValidateOptions>, csv: CsvRule): Promise<StepOutcome> {
  let columns: number | undefined;
  let rows = 0;
  for await (const items of readCsvRows(store.readStream(object, { ifMatch: object.etag, signal }), csv)) {
    for (const item of items) {
      if (item.type === 'header') {
        throwFault(checkCsvHeader(item.names, csv));
        columns = item.names.length;
      } else if (item.type === 'rejected') throw new FormatFault(item.code, item.message, item.line);
      else rows += 1;
    }
  }
  throwFault(columns === undefined ? noHeader() : undefined);
  return { type: 'succeeded', output: { columns, rows } };
}

function noHeader(): FormatFault {
  return new FormatFault('CSV_HEADER_MISSING', 'The file has no row that could be its header.', 1);
}

function throwFault(fault: FormatFault | undefined): void {
  if (fault !== undefined) throw fault;
}

/** As a piece and not as a stream: a stream that is left early costs its connection. */
async function* beginningOf({ store, object, signal }: StepContext<ValidateOptions>): AsyncGenerator<Uint8Array> {
  if (object.sizeBytes === 0) return;
  const last = Math.min(object.sizeBytes, LONGEST_HEADER_BYTES + BESIDES_HEADER_BYTES) - 1;
  yield await store.readRange(object, { first: 0, last }, { ifMatch: object.etag, signal });
}
