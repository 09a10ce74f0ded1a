/** Bucket and key of a delivery. */

import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import { canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import { currentName, factsOfFile, type NamedObject } from '#shared/steps/step-keys.ts';
import type { StepContext } from '../step-context.ts';
import type { DeliverOptions } from './options.ts';

export type DeliveryTarget =
  | { readonly ok: true; readonly bucket: string; readonly key: string }
  | { readonly ok: false; readonly message: string };

/** Without a template: the file's own directory, and the name as it is now. Own buckets keep each tenant under its prefix. */
export function deliveryTarget(
  context: Pick<StepContext<DeliverOptions>, 'options' | 'file' | 'bucketNames'> & NamedObject,
): DeliveryTarget {
  const { options, file, bucketNames } = context;
  const isExternal = options.store !== undefined;
  if (!isExternal && Object.values(bucketNames).some((own) => own === options.externalBucket)) {
    return { ok: false, message: `${options.externalBucket} is one of Longshore's own buckets; name it by \`bucket\`` };
  }
  const bucket = options.externalBucket ?? bucketNames[options.bucket ?? 'delivered'];
  const name = currentName(context);
  const within = options.externalBucket === undefined ? `${file.tenantId}/` : undefined;
  if (options.key === undefined) {
    const key = `${file.key.slice(0, file.key.lastIndexOf('/') + 1)}${name}`;
    const canonical = canonicalKey(key, within);
    return canonical.ok ? { ok: true, bucket, key } : canonical;
  }
  const template = compileNameTemplate(options.key);
  if (!template.ok) return template;
  const rendered = template.render(factsOfFile(context));
  const canonical = canonicalKey(rendered, within);
  return canonical.ok ? { ok: true, bucket, key: canonical.key } : canonical;
}
