/** `confirm`: the very version that was delivered stands at its destination, with the size and checksum of its source. */
import { compareContents } from '#shared/files/object-checksum.ts';
import { deliverySchema } from '../deliver/delivery.ts';
import type { StepKind } from '../step-context.ts';
import { failed, withStoreFailures } from '../step-failure.ts';
import { type ConfirmOptions, confirmOptions } from './options.ts';

export const confirmStep: StepKind<ConfirmOptions> = {
  kind: confirmOptions.kind,
  classOf: confirmOptions.classOf,
  run: ({ outputs, store, signal }) =>
    withStoreFailures('CONFIRMATION_ERROR', async () => {
      const parsed = deliverySchema.safeParse(outputs.deliver);
      if (!parsed.success) {
        return failed(
          'CONFIRMATION_ERROR',
          'STEP_INPUT_MISSING',
          'There is no delivery before this step to be confirmed.',
        );
      }
      const delivery = parsed.data;
      const place = `${delivery.bucket}/${delivery.key}`;
      const head = await store.head(delivery, { signal });
      if (head === 'not-found') {
        return failed(
          'CONFIRMATION_ERROR',
          'DESTINATION_GONE',
          `${place} is no longer there; find out who removed it.`,
        );
      }
      if (head.sizeBytes !== delivery.sizeBytes) {
        const message = `${place} has ${head.sizeBytes} bytes and not ${delivery.sizeBytes}.`;
        return failed('CONFIRMATION_ERROR', 'SIZE_MISMATCH', message);
      }
      const checksums = delivery.checksum === undefined ? [] : [delivery.checksum];
      const comparison = compareContents({ checksums, etag: delivery.etag }, head);
      // One version has one ETag, which `deliver` recorded after it had verified the contents.
      const isSame = comparison.type === 'same' || (comparison.type === 'unknown' && head.etag === delivery.etag);
      if (!isSame) {
        return failed(
          'CONFIRMATION_ERROR',
          'CHECKSUM_MISMATCH',
          `${place} has another checksum than what was delivered.`,
        );
      }
      return { type: 'succeeded', output: { sizeBytes: head.sizeBytes, etag: head.etag, checksum: delivery.checksum } };
    }),
};
