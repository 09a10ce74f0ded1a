/**
 * `deliver`: a copy to where the file belongs.
 *
 * 1. One effect per idempotency key: after an earlier try, the versions at the destination are looked through for its mark first.
 * 2. The destination name shows a whole object or none: the copy appears at once, or when its last part is there.
 * 3. The copy is verified before it is reported, at the store where it is.
 * 4. Of several versions of one key the newest stays at the destination: an older one is not written over it.
 * 5. To an external store it writes only where the definition of the store allows.
 */

import { isPlaceAllowed } from '#shared/definitions/store-schema.ts';
import { verifyCopy } from '#shared/files/copies/verify-copy.ts';
import { fullObjectChecksum } from '#shared/files/object-checksum.ts';
import type { ObjectHead, ObjectStore } from '#shared/files/object-store.ts';
import { hasFault } from '#shared/files/store-error.ts';
import { PLACE } from '#shared/steps/step-outcome.ts';
import { useExternalStore } from '#shared/steps/use-external-store.ts';
import { copyJobObject } from '../copy-job-object.ts';
import { JOB_METADATA, KEY_METADATA } from '../job-metadata.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
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
      const { store } = context.options;
      return store === undefined
        ? await deliverInPlace(context, { bucket, key })
        : await deliverExternally(context, store, { bucket, key });
    }),
};

interface Place {
  readonly bucket: string;
  readonly key: string;
}

interface ExternalDelivery {
  readonly name: string;
  readonly store: ObjectStore;
}

async function deliverExternally(
  context: StepContext<DeliverOptions>,
  name: string,
  { bucket, key }: Place,
): Promise<StepOutcome> {
  return await useExternalStore(context, { name, code: 'DELIVERY_ERROR' }, async ({ definition, store }) =>
    isPlaceAllowed(definition.buckets, { bucket, key })
      ? await deliverInPlace(context, { bucket, key }, { name, store })
      : failed('DELIVERY_ERROR', 'STORE_PLACE_REFUSED', `The store ${name} does not allow ${bucket}/${key}.`),
  );
}

/** Soon enough for a short copy, and no flood of claims for a long one. */
const PLACE_WAIT_MS = 1_000;

async function deliverInPlace(
  context: StepContext<DeliverOptions>,
  place: Place,
  external?: ExternalDelivery,
): Promise<StepOutcome> {
  const { places } = context;
  if (places === undefined) return await deliver(context, place, external);
  const named = { ...place, ...(external !== undefined && { store: external.name }) };
  const taken = await places.take(named);
  if (taken.type === 'busy') return { type: 'wait', afterMs: PLACE_WAIT_MS, reason: PLACE };
  if (taken.type === 'superseded') return { type: 'succeeded', output: { ...named, supersededBy: taken.fileId } };
  let isDelivered = false;
  try {
    const outcome = await deliver(context, place, external);
    isDelivered = outcome.type === 'succeeded';
    return outcome;
  } finally {
    await places.leave(named, isDelivered);
  }
}

async function deliver(
  context: StepContext<DeliverOptions>,
  { bucket, key }: Place,
  external?: ExternalDelivery,
): Promise<StepOutcome> {
  const targetStore = external?.store ?? context.store;
  const earlier = context.step.isFirstTry ? NOTHING : await findEarlier(context, targetStore, { bucket, key });
  const at = external === undefined ? {} : { store: external.name };
  if (earlier.delivery !== undefined) {
    await context.transferLog?.found();
    return { type: 'succeeded', output: { ...at, ...earlier.delivery } };
  }
  const copy = await copyJobObject(context, { bucket, key, external: external?.store }, context.options.copy);
  if (copy.type === 'different') {
    const cause = copy.what === 'size' ? 'SIZE_MISMATCH' : 'CHECKSUM_MISMATCH';
    return retry(
      'DELIVERY_ERROR',
      cause,
      `The delivered copy differs from its source in ${copy.what}; it was removed.`,
    );
  }
  const delivery: Delivery = {
    ...at,
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
}

interface Earlier {
  readonly delivery?: Delivery | undefined;
  readonly replacedJob?: string | undefined;
}
const NOTHING: Earlier = {};
/** Newer versions of other jobs that may lie over this job's own; looking further back would cost a request each. */
const MOST_VERSIONS = 20;

async function findEarlier(context: StepContext<unknown>, store: ObjectStore, target: Place): Promise<Earlier> {
  const { idempotencyKey, signal } = context;
  const newest = await store.head(target, { signal });
  if (newest === 'not-found') return NOTHING;
  if (newest.metadata[KEY_METADATA] === idempotencyKey)
    return { delivery: await verified(context, { store, target, head: newest }) };
  for (const versionId of await olderVersions(store, target, signal)) {
    const head = await store.head({ ...target, versionId }, { signal });
    if (head !== 'not-found' && head.metadata[KEY_METADATA] === idempotencyKey) {
      return { delivery: await verified(context, { store, target, head: { ...head, versionId } }) };
    }
  }
  return { replacedJob: newest.metadata[JOB_METADATA] };
}

async function olderVersions(
  store: ObjectStore,
  { bucket, key }: { bucket: string; key: string },
  signal: AbortSignal,
) {
  const page = await pageOfVersions(store, { bucket, prefix: key, limit: MOST_VERSIONS, signal });
  return page.items
    .filter((version) => version.key === key && !version.isDeleteMarker && !version.isLatest)
    .map(({ versionId }) => versionId);
}

/** A server without versions has none that lie beneath. */
async function pageOfVersions(store: ObjectStore, request: Parameters<ObjectStore['listVersions']>[0]) {
  try {
    return await store.listVersions(request);
  } catch (error) {
    if (hasFault(error, 'invalid')) return { items: [] };
    throw error;
  }
}

interface Found {
  readonly store: ObjectStore;
  readonly target: Place;
  readonly head: ObjectHead;
}

/** An earlier try may have been killed between its copy and the check of it. */
async function verified(
  { store: sourceStore, object, signal }: StepContext<unknown>,
  { store, target, head }: Found,
): Promise<Delivery | undefined> {
  const written = { ...target, versionId: head.versionId, etag: head.etag, sizeBytes: head.sizeBytes };
  const verdict = await verifyCopy({
    store: sourceStore,
    targetStore: store,
    source: object,
    target: { ...written, checksums: head.checksums },
    signal,
  });
  if (verdict.type === 'different') return undefined;
  return { ...written, checksum: fullObjectChecksum(head.checksums), verifiedBy: verdict.by, wasThere: true };
}
