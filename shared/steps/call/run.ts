/**
 * `call`: lets the records of the file be processed, and tells in the end what happened to them. The calls themselves are made by the
 * chunks of records; this step waits for them and has no slot meanwhile.
 *
 * 1. Records of a held file are not processed before an operator released it.
 * 2. The results file has a row for every row of the file, and is before the step ends.
 */

import type { UploadedObject } from '#shared/files/object-store.ts';
import { outboundKey } from '#shared/steps/step-keys.ts';
import { HELD, PARTNER_PAUSED, RECORDS } from '#shared/steps/step-outcome.ts';
import { JOB_METADATA, KEY_METADATA } from '../job-metadata.ts';
import type { RecordSummary } from '../record-store.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, withStoreFailures } from '../step-failure.ts';
import { type CallStepOptions, callOptions } from './options.ts';
import { writeResults } from './write-results.ts';

/** Both are only nets: the release, and the end of the last record, wake the job. */
const HELD_MS = 86_400_000;
const CARRIED_MS = 300_000;

export const callStep: StepKind<CallStepOptions> = {
  kind: callOptions.kind,
  classOf: () => 'short',
  run: (context) =>
    withStoreFailures('RECORDS_ERROR', async () => {
      const { records, outputs, file } = context;
      if (records === undefined) return failed('RECORDS_ERROR', 'STEP_INPUT_MISSING', 'The route has no `records`.');
      const results = outboundKey(file, 'results');
      if (!results.ok) {
        return failed(
          'RECORDS_ERROR',
          'KEY_REJECTED',
          `The results file may not be named like the file: ${results.message}.`,
        );
      }
      const { store, failJobAt } = records;
      const isHeld = outputs.parse?.held === true && !(await store.isReleased());
      if (isHeld) return { type: 'wait', afterMs: HELD_MS, reason: HELD };
      const { openRecords, isPaused } = await store.open();
      if (openRecords > 0) return { type: 'wait', afterMs: CARRIED_MS, reason: isPaused ? PARTNER_PAUSED : RECORDS };
      const target = { bucket: context.bucketNames.outbound, key: results.key };
      const { versionId } = await upload(context, target, writeResults(store));
      const summary = await store.summarise();
      const output = { records: summary, results: { ...target, versionId } };
      const failure = failureOf(summary, failJobAt, target.key);
      return failure === undefined ? { type: 'succeeded', output } : { ...failure, output };
    }),
};

async function upload(
  { store, job, idempotencyKey, signal }: StepContext<CallStepOptions>,
  target: { readonly bucket: string; readonly key: string },
  body: AsyncIterable<Uint8Array>,
): Promise<UploadedObject> {
  const metadata = { [JOB_METADATA]: job.id, [KEY_METADATA]: idempotencyKey };
  return await store.upload({ target, body, metadata, contentType: 'text/csv; charset=utf-8', signal });
}

/** Rejected rows were never carried, and do not count. */
function failureOf({ byState }: RecordSummary, failJobAt: number, resultsKey: string) {
  const { REJECTED = 0, SUCCESS = 0 } = byState;
  const carried = Object.values(byState).reduce((sum, count) => sum + count, 0) - REJECTED;
  const others = carried - SUCCESS;
  // A share such as 1.1% has no exact double, and 11 of 1,000 are as many.
  if (others === 0 || others < carried * failJobAt - 1e-6) return undefined;
  const message = `${others} of ${carried} records did not succeed; ${resultsKey} says what happened to each.`;
  return failed('RECORDS_ERROR', 'RECORDS_FAILED', message);
}
