/** The object store for uploads and downloads: what the API writes and looks at itself, and what it lets others do by presigned URLs. */
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createPartClient, createPresigner, createS3Client, type S3ClientConfig } from '#shared/files/s3-client.ts';
import { createSentUploads } from '#shared/files/sent-uploads.ts';

export interface ReachStoreOptions {
  readonly s3: S3ClientConfig;
  readonly publicUrl: string | undefined;
}

const STALL_MS = 30_000;

export function reachStore({ s3, publicUrl }: ReachStoreOptions) {
  const client = createS3Client(s3);
  const partClient = createPartClient({ ...s3, stallMs: STALL_MS });
  const presigner = createPresigner({ ...s3, ...(publicUrl !== undefined && { endpoint: publicUrl }) });
  return {
    store: createObjectStore({ client, partClient, idleTimeoutMs: STALL_MS }),
    sent: createSentUploads(client, presigner),
    close() {
      for (const each of [client, partClient, presigner]) each.destroy();
    },
  };
}
