/**
 * `receipt`: a signed statement of what was received and delivered.
 *
 * 1. The checksum is that of the original's bytes, read again.
 * 2. Repeating the step repeats the receipt, byte for byte.
 */
import { createHash } from 'node:crypto';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import { JOB_METADATA, KEY_METADATA } from '../job-metadata.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import { outboundKey } from '../step-keys.ts';
import { type ReceiptOptions, receiptOptions } from './options.ts';

export const receiptStep: StepKind<ReceiptOptions> = {
  kind: receiptOptions.kind,
  classOf: receiptOptions.classOf,
  run: (context) =>
    withStoreFailures('RECEIPT_ERROR', async () => {
      const { issueReceipt, options, file, bucketNames, store, job, idempotencyKey, signal } = context;
      if (issueReceipt === undefined) {
        const message = 'This service has no key to sign receipts with; set LONGSHORE_RECEIPT_SECRET.';
        return retry('RECEIPT_ERROR', 'RECEIPT_KEY_MISSING', message);
      }
      const target = outboundKey(file, 'receipts');
      if (!target.ok)
        return failed(
          'RECEIPT_ERROR',
          'KEY_REJECTED',
          `The receipt may not be named like the file: ${target.message}.`,
        );
      try {
        const { seq, jws, hash } = await issueReceipt(await statementOf(context));
        const key = `${target.key}.receipt.jws`;
        let versionId: string | undefined;
        if (options.to.includes('outbound')) {
          const metadata = { [JOB_METADATA]: job.id, [KEY_METADATA]: idempotencyKey };
          ({ versionId } = await store.put({
            target: { bucket: bucketNames.outbound, key },
            body: jws,
            metadata,
            contentType: 'application/jose',
            signal,
          }));
        }
        return {
          type: 'succeeded',
          output: {
            seq,
            hash,
            ...(options.to.includes('outbound') && { bucket: bucketNames.outbound, key, versionId }),
          },
        };
      } catch (error) {
        if (error instanceof SecretError) return retry('RECEIPT_ERROR', error.code, error.message);
        throw error;
      }
    }),
};

async function statementOf({
  file,
  job,
  original,
  outputs,
  store,
  now,
  signal,
}: StepContext<ReceiptOptions>): Promise<object> {
  const hash = createHash('sha256');
  for await (const piece of store.readStream(original, { signal })) hash.update(piece);
  return {
    issuedAt: now.toISOString(),
    file: {
      id: file.id,
      name: file.name,
      path: file.key.slice(file.tenantId.length + 1),
      sizeBytes: file.sizeBytes,
      sha256: hash.digest('hex'),
      receivedAt: file.receivedAt.toISOString(),
    },
    route: job.routeName,
    job: job.id,
    deliveries: DELIVERIES.flatMap((step) => (outputs[step] === undefined ? [] : [{ step, ...outputs[step] }])),
    ...(outputs.confirm?.acknowledgement !== undefined && { acknowledgement: outputs.confirm.acknowledgement }),
  };
}

const DELIVERIES = ['deliver', 'load', 'post', 'push', 'publish', 'mail'];
