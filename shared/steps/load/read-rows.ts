/**
 * Reads the job's object by the `records:` of its route and gives its accepted rows out in batches; what was rejected goes back to the sender.
 *
 * 1. Memory is flat: a batch is bounded by rows and by text, and the next one is read once it is taken.
 * 2. Rows are given out before it is known whether the file is accepted as a whole: the verdict comes with the end.
 */

import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import type { NotDone } from '#shared/effects/run-effect.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { judgeRejects } from '#shared/formats/records/judge-rejects.ts';
import type { RecordItem, RecordsSummary, RecordValues, RejectedRecord } from '#shared/formats/records/record-item.ts';
import { uploadRejects, type WrittenRejects } from '../parse/upload-rejects.ts';
import { readRecordFile } from '../read-record-file.ts';
import type { StepContext } from '../step-context.ts';
import { failed } from '../step-failure.ts';
import { outboundKey } from '../step-keys.ts';

export interface Row {
  readonly line: number;
  readonly values: RecordValues;
}

export interface ReadRows {
  readonly summary: RecordsSummary;
  readonly isAccepted: boolean;
  readonly firstRejected: RejectedRecord | undefined;
  readonly rejects: WrittenRejects | undefined;
}

const BATCH_ROWS = 4_000;
const BATCH_TEXT = 1_048_576;

/** @throws FormatFault of the file; ObjectStoreError; what `take` throws. */
export async function readRows(
  context: StepContext<unknown>,
  layout: RecordsLayout,
  take: (rows: readonly Row[]) => Promise<void>,
): Promise<ReadRows> {
  const rejectsKey = outboundKey(context.file, 'rejects');
  if (!rejectsKey.ok)
    throw new FormatFault('KEY_REJECTED', `the rejects file may not be named like it: ${rejectsKey.message}`);
  const upload = uploadRejects(context, layout, rejectsKey.key);
  let summary: RecordsSummary | undefined;
  let firstRejected: RejectedRecord | undefined;
  let batch: Row[] = [];
  let text = 0;
  try {
    for await (const items of readRecordFile(context, layout)) {
      const others: RecordItem[] = [];
      for (const item of items) {
        if (item.type === 'summary') summary = item;
        else if (item.type !== 'row') others.push(item);
        if (item.type === 'rejected') firstRejected ??= item;
        if (item.type !== 'row') continue;
        batch.push(item);
        text += textOf(item.values);
        if (batch.length < BATCH_ROWS && text < BATCH_TEXT) continue;
        await take(batch);
        context.signal.throwIfAborted();
        batch = [];
        text = 0;
      }
      if (others.length > 0) await upload.take(others);
    }
    if (batch.length > 0) await take(batch);
    if (summary === undefined) throw new Error('a file was read to its end without a summary');
    const isAccepted = judgeRejects(summary, layout.onReject) === 'accept';
    return { summary, isAccepted, firstRejected, rejects: await upload.finish() };
  } catch (error) {
    await upload.abandon(error);
    throw error;
  }
}

export function refusedFile({ summary, firstRejected, rejects }: ReadRows): NotDone {
  const cause = firstRejected?.code ?? 'LOAD_ROW_REFUSED';
  const many = `${summary.rejected} of ${summary.records} rows were rejected, more than the route takes, and none is sent.`;
  const message = `${many} Line ${firstRejected?.line}: ${firstRejected?.message} Correct all that ${rejects?.key} names and send the whole file again.`;
  return { ...failed('DELIVERY_ERROR', cause, message), output: { rejects } };
}

function textOf(values: RecordValues): number {
  let length = 0;
  for (const name in values) {
    const value = values[name];
    length += typeof value === 'string' ? name.length + value.length : name.length;
  }
  return length;
}
