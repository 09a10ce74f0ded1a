/**
 * `transform`: streams the job's object through its operations into the staging bucket, memory flat whatever the size.
 *
 * 1. Nothing is under the new name unless all of it went through.
 * 2. Rejected rows are written next to the result, each with its line and reason.
 */

import { zipOf } from '#shared/content/archives/write-zip.ts';
import { verifiedRead } from '#shared/files/verified-read.ts';
import { csvToNdjson, type NdjsonCounts } from '#shared/formats/csv/csv-to-ndjson.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { gunzip } from '#shared/formats/gunzip.ts';
import { type SecretStore, unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { stagingTarget } from '#shared/steps/step-keys.ts';
import { copyJobObject } from '../copy-job-object.ts';
import { JOB_METADATA, KEY_METADATA } from '../job-metadata.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { nameAfter, nameInZip } from './name-after.ts';
import { type TransformOperation, type TransformOptions, transformOptions } from './options.ts';
import { applyPgp } from './pgp-operations.ts';

export const transformStep: StepKind<TransformOptions> = {
  kind: transformOptions.kind,
  classOf: transformOptions.classOf,
  run: (context) =>
    withStoreFailures('TRANSFORM_ERROR', async () => {
      const name = nameAfter(context);
      if (!name.ok) return failed('TRANSFORM_ERROR', 'KEY_REJECTED', `The new name may not be used: ${name.message}.`);
      const isRenameOnly = context.options.ops.every((operation) => operation.rename !== undefined);
      if (isRenameOnly) return await rename(context, name.key);
      const source = verifiedRead(context.store, context.object, context);
      try {
        return await stream(context, name.key, source.pieces);
      } catch (error) {
        if (!(error instanceof FormatFault)) throw error;
        if (!(await source.wasTrue()))
          return retry('TRANSFORM_ERROR', 'CHECKSUM_MISMATCH', 'The file was damaged on its way from the store.');
        return failed('TRANSFORM_ERROR', error.code, `${error.message} ${error.hint}`);
      }
    }),
};

/** Rejected rows that the step's output tells itself; all of them are in the object it names. */
const MOST_TOLD = 20;

async function stream(
  context: StepContext<TransformOptions>,
  name: string,
  source: AsyncIterable<Uint8Array>,
): Promise<StepOutcome> {
  const { store, object, options, signal, job, idempotencyKey } = context;
  const secrets = context.targets?.secrets ?? NO_SECRETS;
  const counts: NdjsonCounts = { recordsIn: 0, recordsOut: 0, rejected: [] };
  const body = options.ops.reduce<AsyncIterable<Uint8Array>>(
    (bytes, operation, index) =>
      applyPgp(bytes, operation, secrets) ?? applyZip(context, bytes, index) ?? apply(bytes, operation, counts),
    source,
  );
  const metadata = { [JOB_METADATA]: job.id, [KEY_METADATA]: idempotencyKey };
  const target = stagingTarget(context, name);
  const log = context.transferLog;
  const written = await store.upload({ target, body, metadata, log, sourceEtag: object.etag, signal });
  const made = { ...target, versionId: written.versionId, etag: written.etag, sizeBytes: written.sizeBytes };
  const hasRows = options.ops.some((operation) => operation['csv-to-ndjson'] !== undefined);
  const records = hasRows ? await recordRejected(context, target, counts) : {};
  return { type: 'succeeded', object: made, output: { ...made, sha256: written.sha256, ...records } };
}

function applyZip(
  context: StepContext<TransformOptions>,
  bytes: AsyncIterable<Uint8Array>,
  index: number,
): AsyncIterable<Uint8Array> | undefined {
  if (context.options.ops[index]?.zip === undefined) return undefined;
  const name = nameInZip(context, index);
  if (!name.ok) throw new FormatFault('KEY_REJECTED', `The name in the zip may not be used: ${name.message}.`);
  return zipOf(bytes, { name: name.key, at: context.file.receivedAt });
}

const NO_SECRETS: SecretStore = {
  read: async (name) => {
    throw unavailableSecret(`This service does not read the secret ${name}.`);
  },
};

function apply(
  bytes: AsyncIterable<Uint8Array>,
  operation: TransformOperation,
  counts: NdjsonCounts,
): AsyncIterable<Uint8Array> {
  if (operation.gunzip !== undefined) return gunzip(bytes, operation.gunzip);
  if (operation['csv-to-ndjson'] !== undefined) return csvToNdjson(bytes, operation['csv-to-ndjson'], counts);
  return bytes;
}

async function recordRejected(
  { store, signal }: StepContext<TransformOptions>,
  made: { readonly bucket: string; readonly key: string },
  { recordsIn, recordsOut, rejected }: NdjsonCounts,
): Promise<Record<string, unknown>> {
  const counted = { recordsIn, recordsOut, recordsRejected: rejected.length };
  if (rejected.length === 0) return counted;
  const target = { bucket: made.bucket, key: `${made.key}.rejected.ndjson` };
  const body = rejected.map((row) => `${JSON.stringify(row)}\n`).join('');
  const { versionId } = await store.put({ target, body, signal });
  return { ...counted, rejectedRows: { ...target, versionId }, firstRejected: rejected.slice(0, MOST_TOLD) };
}

async function rename(context: StepContext<TransformOptions>, name: string): Promise<StepOutcome> {
  const target = stagingTarget(context, name);
  const copy = await copyJobObject(context, target);
  if (copy.type === 'different') {
    return retry('TRANSFORM_ERROR', 'CHECKSUM_MISMATCH', 'The renamed copy differs from its source; it was removed.');
  }
  const { written, sizeBytes } = copy;
  const object = { ...target, versionId: written.versionId, etag: written.etag, sizeBytes };
  return { type: 'succeeded', object, output: { ...object, verifiedBy: copy.verifiedBy, copy: copy.receipt } };
}
