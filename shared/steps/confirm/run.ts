/** `confirm`: the very version that was delivered stands at its destination, with the size and checksum of its source. */
import { compareContents } from '#shared/files/object-checksum.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { useExternalStore } from '#shared/steps/use-external-store.ts';
import { type Delivery, deliverySchema } from '../deliver/delivery.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type ConfirmOptions, confirmOptions } from './options.ts';

export const confirmStep: StepKind<ConfirmOptions> = {
  kind: confirmOptions.kind,
  classOf: confirmOptions.classOf,
  run: (context) =>
    withStoreFailures('CONFIRMATION_ERROR', async () => {
      const { supersededBy } = context.outputs.deliver ?? {};
      if (supersededBy !== undefined) return { type: 'succeeded', output: { supersededBy } };
      const parsed = deliverySchema.safeParse(context.outputs.deliver);
      if (!parsed.success) {
        return failed(
          'CONFIRMATION_ERROR',
          'STEP_INPUT_MISSING',
          'There is no delivery before this step to be confirmed.',
        );
      }
      const delivery = parsed.data;
      if (delivery.store === undefined) return await confirm(context, context.store, delivery);
      return await useExternalStore(
        context,
        { name: delivery.store, code: 'CONFIRMATION_ERROR' },
        async ({ store }) => await confirm(context, store, delivery),
      );
    }),
};

async function confirm({ signal }: StepContext<unknown>, store: ObjectStore, delivery: Delivery): Promise<StepOutcome> {
  const place = `${delivery.bucket}/${delivery.key}`;
  const head = await store.head(delivery, { signal });
  if (head === 'not-found') {
    return failed('CONFIRMATION_ERROR', 'DESTINATION_GONE', `${place} is no longer there; find out who removed it.`);
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
    const message = `${place} has another checksum than what was delivered.`;
    return failed('CONFIRMATION_ERROR', 'CHECKSUM_MISMATCH', message);
  }
  return { type: 'succeeded', output: { sizeBytes: head.sizeBytes, etag: head.etag, checksum: delivery.checksum } };
}
