/**
 * Waits for the file by which the partner acknowledges ours. Waiting counts no attempt; each generation of the job waits for the whole time.
 * The file stays where it is.
 */
import { z } from 'zod';
import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import { RemoteError } from '#shared/remotes/remote-error.ts';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import type { StepContext } from '../step-context.ts';
import { failed, retry } from '../step-failure.ts';
import { factsOfFile } from '../step-keys.ts';
import type { StepOutcome } from '../step-outcome.ts';
import type { ConfirmOptions } from './options.ts';

const LOOK_MS = 30_000;

const waitedSchema = z.object({
  confirmed: z.record(z.string(), z.unknown()),
  awaitedSince: z.iso.datetime(),
  generation: z.int(),
});

/** What was confirmed before an earlier try of this generation began to wait. */
export function confirmedBefore({ step, job }: StepContext<ConfirmOptions>): z.output<typeof waitedSchema> | undefined {
  const waited = waitedSchema.safeParse(step.held);
  return waited.success && waited.data.generation === job.generation ? waited.data : undefined;
}

export async function awaitAcknowledgement(
  context: StepContext<ConfirmOptions>,
  acknowledgement: NonNullable<ConfirmOptions['acknowledgement']>,
  confirmed: Readonly<Record<string, unknown>>,
): Promise<StepOutcome> {
  const { targets, signal, now, job } = context;
  const { from, within } = acknowledgement;
  const compiled = compileNameTemplate(acknowledgement.path);
  const path = compiled.ok ? compiled.render(factsOfFile(context)) : '';
  const awaitedSince = confirmedBefore(context)?.awaitedSince ?? now.toISOString();
  try {
    const used = await targets?.useRemote(from, (connection) => connection.stat(path), { signal });
    if (used === undefined || used.type === 'unknown')
      return retry('CONFIRMATION_ERROR', 'REMOTE_UNKNOWN', `There is no remote ${from}; apply its definition.`);
    const found = used.type === 'used' ? used.result : undefined;
    if (found !== undefined) {
      const { sizeBytes, modifiedAt } = found;
      return { type: 'succeeded', output: { ...confirmed, acknowledgement: { from, path, sizeBytes, modifiedAt } } };
    }
    const leftMs = Date.parse(awaitedSince) + within - now.getTime();
    // Only a remote that was asked does not have it.
    if (leftMs <= 0 && used.type === 'used') {
      const message = `${path} did not come to the remote ${from} in time; ask the partner whether the file arrived.`;
      return failed('CONFIRMATION_ERROR', 'ACKNOWLEDGEMENT_MISSING', message);
    }
    return {
      type: 'wait',
      afterMs: used.type === 'wait' ? used.afterMs : Math.min(LOOK_MS, Math.max(leftMs, 1_000)),
      reason: used.type === 'wait' ? (used.code ?? 'REMOTE_CONNECTIONS') : 'ACKNOWLEDGEMENT',
      output: { confirmed, awaitedSince, generation: job.generation },
    };
  } catch (error) {
    if (!(error instanceof RemoteError) && !(error instanceof SecretError)) throw error;
    const message = `With the remote ${from}: ${error.message}`;
    if (error instanceof RemoteError && error.fault === 'place-refused')
      return failed('CONFIRMATION_ERROR', error.code, message);
    return retry('CONFIRMATION_ERROR', error.code, message);
  }
}
