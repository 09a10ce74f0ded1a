/** `deliver`: where the job's object goes, and under which key. */
import { z } from 'zod';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import { compileNameTemplate, SAMPLE_FACTS } from '#shared/definitions/name-template.ts';
import { canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import { copyWishSchema } from '#shared/steps/step-options.ts';
import type { StepOptionsKind } from '../step-options.ts';

const deliverOptionsSchema = z
  .strictObject({
    /** One of the fleet's own buckets, in which a tenant writes under its own prefix only. */
    bucket: z.enum(['delivered', 'outbound']).optional(),
    /** A bucket of somebody else, by its full name; replaces `bucket`. */
    externalBucket: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
        'must be a bucket name: 3 to 63 lower-case letters, digits, "-" and "."',
      )
      .optional(),
    /** An external store, by the name of its definition; `externalBucket` is a bucket there. */
    store: idSchema.optional(),
    /** Template of the whole key; the file's own key when absent. */
    key: z.string().min(1).optional(),
    copy: copyWishSchema.optional(),
  })
  .superRefine((options, context) => {
    if (options.bucket !== undefined && options.externalBucket !== undefined) {
      context.addIssue({ code: 'custom', path: ['externalBucket'], message: 'give either bucket or externalBucket' });
    }
    if (options.store !== undefined && options.externalBucket === undefined) {
      context.addIssue({ code: 'custom', path: ['store'], message: 'name the bucket at the store by externalBucket' });
    }
    if (options.store !== undefined && options.copy === 'server-side') {
      const message = 'no store can copy from another store; leave copy out';
      context.addIssue({ code: 'custom', path: ['copy'], message });
    }
    if (options.key === undefined) return;
    const fault = keyFault(options.key, options.externalBucket === undefined);
    if (fault !== undefined) context.addIssue({ code: 'custom', path: ['key'], message: fault });
  });
export type DeliverOptions = z.infer<typeof deliverOptionsSchema>;

export const deliverOptions: StepOptionsKind<DeliverOptions> = {
  kind: 'deliver',
  schema: deliverOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
};

function keyFault(template: string, isOwnBucket: boolean): string | undefined {
  const compiled = compileNameTemplate(template);
  if (!compiled.ok) return compiled.message;
  const key = canonicalKey(compiled.render(SAMPLE_FACTS), isOwnBucket ? `${SAMPLE_FACTS.tenantId}/` : undefined);
  if (key.ok) return undefined;
  return isOwnBucket ? `${key.message}; begin it with "{{ tenant }}/"` : key.message;
}
