/** Keys of what steps write: intermediate objects in the staging bucket, the same on every try, and files for the sender in the outbound bucket. */

import type { TemplateFacts } from '#shared/definitions/name-template.ts';
import { type CanonicalKey, canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import type { FileFacts, StepContext } from './step-context.ts';

/** `<tenant>/<job>/<step>/<name>`. */
export function stagingTarget(context: StepContext<unknown>, name: string): { bucket: string; key: string } {
  const { file, job, step, bucketNames } = context;
  return { bucket: bucketNames.staging, key: `${file.tenantId}/${job.id}/${step.seq}/${name}` };
}

/** Enough of a context to name what a step makes. */
export interface NamedObject {
  readonly object: { readonly key: string };
  readonly job: { readonly id: string; readonly routeName: string };
  readonly outputs?: StepContext<unknown>['outputs'] | undefined;
}

/** For templates of keys, paths and subjects. */
export function factsOfFile(context: Pick<StepContext<unknown>, 'file'> & NamedObject): TemplateFacts {
  const { file, job, outputs } = context;
  return {
    tenantId: file.tenantId,
    key: file.key,
    name: currentName(context),
    facts: outputs?.enrich,
    fileId: file.id,
    jobId: job.id,
    routeName: job.routeName,
    receivedAt: file.receivedAt,
    timeZone: file.timeZone,
  };
}

/** The last segment of the object's key: the name as it is now. */
export function currentName(context: Pick<NamedObject, 'object'>): string {
  return context.object.key.slice(context.object.key.lastIndexOf('/') + 1);
}

/**
 * Where in the outbound bucket a file that goes back to its sender is; SFTP users see it as `/outbound/<folder>/<path>`. Under the path that
 * the file came by, so that files of one name in two directories keep apart; under its name alone where that would be
 * too long. What is written there is never compressed, and so not called `.gz`.
 */
export function outboundKey(
  { tenantId, key, name }: FileFacts,
  folder: 'rejects' | 'results' | 'receipts',
): CanonicalKey {
  const prefix = `${tenantId}/${folder}/`;
  const keyOf = (path: string): CanonicalKey =>
    canonicalKey(`${prefix}${path.replace(/(?<=[^/])\.gz(?:ip)?$/i, '')}`, prefix);
  const found = keyOf(key.slice(tenantId.length + 1));
  return found.ok ? found : keyOf(name);
}
