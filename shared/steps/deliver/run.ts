/**
 * `deliver`: a copy to where the file belongs.
 *
 * 1. One effect per idempotency key: after an earlier try, the versions at the destination are looked through for its mark first.
 * 2. The destination name shows a whole object or none: the copy appears at once, or when its last part is there.
 * 3. The copy is verified before it is reported.
 */

import { fullObjectChecksum } from '#shared/files/object-checksum.ts';
import type { ObjectHead, ObjectStore } from '#shared/files/object-store.ts';
import { verifyCopy } from '#shared/files/verify-copy.ts';
import { copyJobObject, JOB_METADATA, KEY_METADATA } from '../copy-job-object.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import type { Delivery } from './delivery.ts';
import { deliveryTarget } from './delivery-target.ts';
import { type DeliverOptions, deliverOptions } from './options.ts';

export const deliverStep: StepKind<DeliverOptions> = {
  kind: deliverOptions.kind,
  classOf: deliverOptions.classOf,
  run: (context) =>
    withStoreFailures('DELIVERY_ERROR', async () => {
      const target = deliveryTarget(context);
      if (!target.ok)
        return failed('DELIVERY_ERROR', 'KEY_REJECTED', `The key of the delivery may not be used: ${target.message}.`);
      const { bucket, key } = target;
      const earlier = context.step.isFirstTry ? NOTHING : await findEarlier(context, { bucket, key });
      if (earlier.delivery !== undefined) return { type: 'succeeded', output: { ...earlier.delivery } };
      const copy = await copyJobObject(context, { bucket, key }, context.options.copy);
      if (copy.type === 'different') {
        const cause = copy.what === 'size' ? 'SIZE_MISMATCH' : 'CHECKSUM_MISMATCH';
        return retry(
          'DELIVERY_ERROR',
          cause,
          `The delivered copy differs from its source in ${copy.what}; it was removed.`,
        );
      }
      const delivery: Delivery = {
        bucket,
        key,
        versionId: copy.written.versionId,
        etag: copy.written.etag,
        sizeBytes: copy.sizeBytes,
        checksum: copy.checksum,
        verifiedBy: copy.verifiedBy,
        copy: copy.receipt,
        wasThere: false,
        replacedJob: earlier.replacedJob,
      };
      return { type: 'succeeded', output: { ...delivery } };
    }),
};

interface Earlier {
  readonly delivery?: Delivery | undefined;
  readonly replacedJob?: string | undefined;
}
const NOTHING: Earlier = {};
/** Newer versions of other jobs that may lie over this job's own; looking further back would cost a request each. */
const MOST_VERSIONS = 20;

async function findEarlier(
  context: StepContext<unknown>,
  target: { readonly bucket: string; readonly key: string },
): Promise<Earlier> {
  const { store, idempotencyKey, signal } = context;
  const newest = await store.head(target, { signal });
  if (newest === 'not-found') return NOTHING;
  if (newest.metadata[KEY_METADATA] === idempotencyKey) return { delivery: await verified(context, target, newest) };
  for (const versionId of await olderVersions(store, target, signal)) {
    const head = await store.head({ ...target, versionId }, { signal });
    if (head !== 'not-found' && head.metadata[KEY_METADATA] === idempotencyKey) {
      return { delivery: await verified(context, target, { ...head, versionId }) };
    }
  }
  return { replacedJob: newest.metadata[JOB_METADATA] };
}

async function olderVersions(
  store: ObjectStore,
  { bucket, key }: { bucket: string; key: string },
  signal: AbortSignal,
) {
  const page = await store.listVersions({ bucket, prefix: key, limit: MOST_VERSIONS, signal });
  return page.items
    .filter((version) => version.key === key && !version.isDeleteMarker && !version.isLatest)
    .map(({ versionId }) => versionId);
}

/** An earlier try may have been killed between its copy and the check of it. */
async function verified(
  { store, object, signal }: StepContext<unknown>,
  target: { readonly bucket: string; readonly key: string },
  head: ObjectHead,
): Promise<Delivery | undefined> {
  const written = { ...target, versionId: head.versionId, etag: head.etag, sizeBytes: head.sizeBytes };
  const verdict = await verifyCopy({
    store,
    source: object,
    target: { ...written, checksums: head.checksums },
    signal,
  });
  if (verdict.type === 'different') return undefined;
  return { ...written, checksum: fullObjectChecksum(head.checksums), verifiedBy: verdict.by, wasThere: true };
}
