/** What one server sends to another of a version, in a header of `PUT ?replica`: everything but its bytes. */
import { z } from 'zod';
import { CHECKSUM_ALGORITHMS } from '#local/s3/checksum.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import type { ObjectVersion } from '#local/s3/version-store.ts';

export const REPLICA_HEADER = 'x-longshore-replica';

const pairs = z.array(z.tuple([z.string(), z.string()]));

const replicaSchema = z.object({
  seq: z.int().positive(),
  versionId: z.string(),
  modifiedMs: z.int(),
  isDeleteMarker: z.boolean(),
  etag: z.string(),
  details: z.object({
    headers: pairs,
    metadata: pairs,
    tags: pairs,
    checksum: z
      .object({ algorithm: z.enum(CHECKSUM_ALGORITHMS), value: z.string(), type: z.enum(['FULL_OBJECT', 'COMPOSITE']) })
      .optional(),
    uploadId: z.string().optional(),
  }),
});

export type Replica = z.output<typeof replicaSchema>;

export function encodeReplica(
  replica: Pick<ObjectVersion, 'seq' | 'versionId' | 'modifiedMs' | 'isDeleteMarker' | 'etag' | 'details'>,
): string {
  return Buffer.from(JSON.stringify(replica)).toString('base64');
}

/** @throws S3Error `InvalidArgument` */
export function decodeReplica(header: string | undefined): Replica {
  try {
    return replicaSchema.parse(JSON.parse(Buffer.from(header ?? '', 'base64').toString('utf8')));
  } catch {
    throw new S3Error('InvalidArgument', `The header ${REPLICA_HEADER} does not describe a version.`);
  }
}
