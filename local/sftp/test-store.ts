/** An object store for one test file, with the gateway's two buckets, both versioned. */
import { CreateBucketCommand, PutBucketVersioningCommand, type S3Client } from '@aws-sdk/client-s3';
import { startFauxqs } from 'fauxqs';
import { createS3Client } from '#shared/files/s3-client.ts';

export const LANDING = 'test-landing';
export const OUTBOUND = 'test-outbound';

export interface TestStore {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly client: S3Client;
  stop(): Promise<void>;
}

export async function startTestStore(_directory: string): Promise<TestStore> {
  const server = await startFauxqs({ port: 0, logger: false });
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const endpoint = server.address;
  const client = createS3Client({ LONGSHORE_S3_PATH_STYLE: true, endpoint, region: 'us-east-1', credentials });
  for (const bucket of [LANDING, OUTBOUND]) {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
  }
  return {
    endpoint,
    credentials,
    client,
    async stop() {
      client.destroy();
      await server.stop();
    },
  };
}
