/**
 * `archive`: a copy of the job's object, next to the file's original in the archive bucket, verified as every copy is.
 *
 * 1. One object for each job and step: another try finds what an earlier one wrote by its key, and keeps that.
 * 2. It is deleted with the file's objects, as the output names it (`shared/retention/`), and kept by the same holds.
 */
import { archiveKey } from '#shared/files/archive-object.ts';
import { copyJobObject } from '../copy-job-object.ts';
import { KEY_METADATA } from '../job-metadata.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { retry, withStoreFailures } from '../step-failure.ts';
import { currentName } from '../step-keys.ts';
import { type ArchiveOptions, archiveOptions, STORAGE_CLASS_OF_TIER } from './options.ts';

type Context = StepContext<ArchiveOptions>;

export const archiveStep: StepKind<ArchiveOptions> = {
  kind: archiveOptions.kind,
  classOf: archiveOptions.classOf,
  run: (context) =>
    withStoreFailures('KEEP_ERROR', async () => {
      const { options, object } = context;
      const target = targetOf(context);
      const facts = { tier: options.tier, sizeBytes: object.sizeBytes };
      const earlier = context.step.isFirstTry ? undefined : await findEarlier(context, target);
      if (earlier !== undefined)
        return { type: 'succeeded', output: { ...target, ...earlier, ...facts, wasThere: true } };
      const copy = await copyJobObject(context, target, 'auto', STORAGE_CLASS_OF_TIER[options.tier]);
      if (copy.type === 'different') {
        const cause = copy.what === 'size' ? 'SIZE_MISMATCH' : 'CHECKSUM_MISMATCH';
        return retry('KEEP_ERROR', cause, `The copy differs from its source in ${copy.what}; it was removed.`);
      }
      const { versionId, etag } = copy.written;
      const kept = { ...target, versionId, etag, ...facts };
      return { type: 'succeeded', output: { ...kept, verifiedBy: copy.verifiedBy, copy: copy.receipt } };
    }),
};

/** In the directory of the original. */
function targetOf(context: Context): { bucket: string; key: string } {
  const { file, job, step, bucketNames } = context;
  const { tenantId, id, receivedAt } = file;
  const key = archiveKey({ tenantId, id, receivedAt, name: currentName(context) });
  const cut = key.lastIndexOf('/');
  return { bucket: bucketNames.archive, key: `${key.slice(0, cut)}/${job.id}/${step.seq}${key.slice(cut)}` };
}

/** Of an earlier try, whose outcome was lost. */
async function findEarlier(
  { store, object, idempotencyKey, signal }: Context,
  target: { readonly bucket: string; readonly key: string },
): Promise<{ versionId: string | undefined; etag: string } | undefined> {
  const head = await store.head(target, { signal });
  if (head === 'not-found' || head.metadata[KEY_METADATA] !== idempotencyKey || head.sizeBytes !== object.sizeBytes)
    return undefined;
  return { versionId: head.versionId, etag: head.etag };
}
