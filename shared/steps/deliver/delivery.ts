/** What `deliver` records and `confirm` checks. */
import { z } from 'zod';
import { CHECKSUM_ALGORITHMS, PROOFS } from '#shared/files/object-checksum.ts';

export const deliverySchema = z.object({
  /** For an external store, by the name of its definition. */
  store: z.string().optional(),
  bucket: z.string(),
  key: z.string(),
  versionId: z.string().optional(),
  etag: z.string(),
  sizeBytes: z.number(),
  checksum: z
    .object({ algorithm: z.enum(CHECKSUM_ALGORITHMS), value: z.string(), type: z.enum(['FULL_OBJECT', 'COMPOSITE']) })
    .optional(),
  /** How the copy was found true to its source before it was called delivered. */
  verifiedBy: z.enum(['checksum', 'etag', 'bytes']),
  /** The receipt of the copy; absent when an earlier try had delivered. */
  copy: z
    .object({
      plan: z.enum(['one-request', 'server-side', 'streamed']),
      proof: z.enum(PROOFS),
      parts: z.number().optional(),
      resumedParts: z.number().optional(),
      sha256: z.string().optional(),
    })
    .optional(),
  /** True when an earlier try had delivered it already. */
  wasThere: z.boolean(),
  /** The job whose object of the same key was the newest until now, where that was looked at. */
  replacedJob: z.string().optional(),
});
export type Delivery = z.infer<typeof deliverySchema>;
