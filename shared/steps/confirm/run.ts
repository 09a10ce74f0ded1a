/**
 * `confirm`: the very version that was delivered is at its destination, with the size and checksum of its source; then, where the route asks for
 * it, the acknowledgement of the partner.
 */
import { z } from 'zod';
import { compareContents } from '#shared/files/object-checksum.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { RemoteError } from '#shared/remotes/remote-error.ts';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import { useExternalStore } from '#shared/steps/use-external-store.ts';
import { type Delivery, deliverySchema } from '../deliver/delivery.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { awaitAcknowledgement, confirmedBefore } from './await-acknowledgement.ts';
import { type ConfirmOptions, confirmOptions } from './options.ts';

export const confirmStep: StepKind<ConfirmOptions> = {
  kind: confirmOptions.kind,
  classOf: confirmOptions.classOf,
  run: (context) =>
    withStoreFailures('CONFIRMATION_ERROR', async () => {
      const { acknowledgement } = context.options;
      if (acknowledgement === undefined) return await confirmDelivery(context);
      const before = confirmedBefore(context);
      if (before !== undefined) return await awaitAcknowledgement(context, acknowledgement, before.confirmed);
      const outcome = await confirmDelivery(context);
      if (outcome.type !== 'succeeded' || outcome.output?.supersededBy !== undefined) return outcome;
      return await awaitAcknowledgement(context, acknowledgement, outcome.output ?? {});
    }),
};

async function confirmDelivery(context: StepContext<ConfirmOptions>): Promise<StepOutcome> {
  const pushed = pushedSchema.safeParse(context.outputs.push);
  if (pushed.success && context.outputs.deliver === undefined) return await confirmPush(context, pushed.data);
  const confirmedBy = CONFIRMING_KINDS.find((kind) => context.outputs[kind] !== undefined);
  if (confirmedBy !== undefined && context.outputs.deliver === undefined)
    return { type: 'succeeded', output: { confirmedBy } };
  const { supersededBy } = context.outputs.deliver ?? {};
  if (supersededBy !== undefined) return { type: 'succeeded', output: { supersededBy } };
  const parsed = deliverySchema.safeParse(context.outputs.deliver);
  if (!parsed.success) {
    return failed('CONFIRMATION_ERROR', 'STEP_INPUT_MISSING', 'There is no delivery before this step to be confirmed.');
  }
  const delivery = parsed.data;
  if (delivery.store === undefined) return await confirm(context, context.store, delivery);
  return await useExternalStore(
    context,
    { name: delivery.store, code: 'CONFIRMATION_ERROR' },
    async ({ store }) => await confirm(context, store, delivery),
  );
}

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

/** Steps whose target said itself that it has the file. */
const CONFIRMING_KINDS = ['load', 'post', 'publish', 'mail'];

const pushedSchema = z.object({
  remote: z.string(),
  path: z.string(),
  sizeBytes: z.number(),
  fingerprint: z.string(),
  isSeen: z.boolean().optional(),
});
const goneSchema = z.object({ gone: z.literal(true), generation: z.int() });
/** A server may show a name some seconds after it took it. */
const LOOK_AGAIN_MS = 5_000;

/**
 * The partner may take the file at any time, and the push ended with the server's word that it was there: gone is not a fault. But only the server
 * that gave its word can say so, not by its first look where nobody saw the file there, and it was picked up only if somebody did.
 */
async function confirmPush(
  { targets, signal, step, job }: StepContext<unknown>,
  { remote, path, sizeBytes, fingerprint, isSeen = false }: z.output<typeof pushedSchema>,
): Promise<StepOutcome> {
  try {
    const used = await targets?.useRemote(
      remote,
      async (connection) => ({ there: await connection.stat(path), shown: connection.fingerprint }),
      { signal },
    );
    if (used?.type === 'wait')
      return { type: 'wait', afterMs: used.afterMs, reason: used.code ?? 'REMOTE_CONNECTIONS' };
    if (used?.type !== 'used') return retry('CONFIRMATION_ERROR', 'REMOTE_UNKNOWN', `There is no remote ${remote}.`);
    const { there, shown } = used.result;
    if (there === undefined) {
      if (shown !== fingerprint) {
        const message = `${path} is not at the remote ${remote}, which shows another key than when the file was pushed; ask the partner whether it came.`;
        return retry('CONFIRMATION_ERROR', 'DESTINATION_GONE', message);
      }
      if (isSeen) return { type: 'succeeded', output: { remote, path, pickedUp: true } };
      const before = goneSchema.safeParse(step.held);
      if (before.success && before.data.generation === job.generation)
        return { type: 'succeeded', output: { remote, path, neverSeen: true } };
      const output = { gone: true, generation: job.generation };
      return { type: 'wait', afterMs: LOOK_AGAIN_MS, reason: 'PUSHED_FILE', output };
    }
    if (there.sizeBytes === sizeBytes) return { type: 'succeeded', output: { remote, path, sizeBytes } };
    const message = `${path} has ${there.sizeBytes} bytes and not ${sizeBytes}.`;
    return failed('CONFIRMATION_ERROR', 'SIZE_MISMATCH', message);
  } catch (error) {
    if (error instanceof RemoteError || error instanceof SecretError)
      return retry('CONFIRMATION_ERROR', error.code, `With the remote ${remote}: ${error.message}`);
    throw error;
  }
}
