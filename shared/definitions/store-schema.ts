/**
 * What a YAML document of an external store may say: where it is, by whose credentials it is written to, and to which of its buckets.
 *
 * 1. Unknown keys are faults: a misspelt option must not be passed over in silence.
 * 2. Secrets are named, never written: a definition can be shown to anyone who may see the tenant.
 * 3. What is not named under `buckets` is never written to. Prefixes end with the separator.
 */
import { z } from 'zod';
import { endpointSchema } from '#shared/definitions/endpoint-schema.ts';
import { idSchema, secretNameSchema } from '#shared/definitions/name-schemas.ts';

const placeSchema = z
  .string()
  .max(1_000)
  .regex(
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/(?:[^/]+\/)*)?$/,
    'must be a bucket, or a bucket and a prefix that ends with "/", such as inbox/from-us/',
  )
  .refine((place) => place.split('/').every((part) => part !== '.' && part !== '..'), { error: 'must not have ".."' });

export const storeDocumentSchema = z.strictObject({
  kind: z.literal('store'),
  tenant: idSchema,
  name: idSchema,
  description: z.string().max(500).optional(),
  /** Amazon S3 in the region when absent. */
  endpoint: endpointSchema.optional(),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'must be a region such as us-east-1')
    .default('us-east-1'),
  /** For servers that have no bucket host names. */
  pathStyle: z.boolean().default(false),
  /** JSON in the secret store: `accessKeyId`, `secretAccessKey` and, of a session, `sessionToken`. */
  credentials: secretNameSchema,
  buckets: z.array(placeSchema).min(1).max(100),
  /** False for servers that refuse checksums of whole objects; copies are then compared otherwise. */
  checksums: z.boolean().default(true),
});
export type StoreDocument = z.output<typeof storeDocumentSchema>;

/** `buckets` as in a definition. */
export function isPlaceAllowed(buckets: readonly string[], { bucket, key }: { bucket: string; key: string }): boolean {
  return buckets.some((place) => {
    const [allowed, ...prefix] = place.split('/');
    return allowed === bucket && key.startsWith(prefix.join('/'));
  });
}
