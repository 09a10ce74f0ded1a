/** Where an object's bytes are. Every read, copy and delete of a file carries the version id. */
import { z } from 'zod';

export const objectLocationSchema = z.object({
  bucket: z.string().min(1),
  key: z.string().min(1),
  /** Absent only for stores without versioning. */
  versionId: z.string().optional(),
  sizeBytes: z.number().int().nonnegative(),
  etag: z.string().optional(),
});

export type ObjectLocation = z.infer<typeof objectLocationSchema>;
