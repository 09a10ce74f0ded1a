/** The records of the job's object, in batches, told apart from damage on the way. */
import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import { verifiedRead } from '#shared/files/verified-read.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { readRecordBatches } from '#shared/formats/records/read-records.ts';
import type { RecordItem } from '#shared/formats/records/record-item.ts';
import type { StepContext } from './step-context.ts';

/** @throws FormatFault of the file itself; one that came of damage on the way is the store's `corrupt`. */
export async function* readRecordFile(
  { store, object, signal }: StepContext<unknown>,
  layout: RecordsLayout,
): AsyncGenerator<readonly RecordItem[]> {
  const source = verifiedRead(store, object, { signal });
  try {
    yield* readRecordBatches(source.pieces, layout, { signal });
  } catch (error) {
    if (!(error instanceof FormatFault) || (await source.wasTrue())) throw error;
    throw new ObjectStoreError('corrupt', 'The file was damaged on its way from the store', error);
  }
}

export function faultMessage({ line, message, hint }: FormatFault): string {
  const namesLine = line === undefined || new RegExp(`\\bline ${line}\\b`, 'i').test(message);
  return `${namesLine ? '' : `Line ${line}: `}${message} ${hint}`;
}
