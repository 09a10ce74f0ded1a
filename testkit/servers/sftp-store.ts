/** The S3 server for one test file, with the gateway's two buckets, and a journal of the objects made in landing. */
import type { S3Client } from '@aws-sdk/client-s3';
import { type S3ServerOptions, startS3Server } from '#local/s3/server.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createLogger } from '#shared/runtime/logger.ts';

export const LANDING = 'test-landing';
export const OUTBOUND = 'test-outbound';

export interface TestStore {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly client: S3Client;
  stop(): Promise<void>;
}

export async function startTestStore(
  directory: string,
  options: Pick<S3ServerOptions, 'smallestPartBytes'> = {},
): Promise<TestStore> {
  const credentials = { accessKeyId: 'LOCALTEST', secretAccessKey: 'a-secret-for-tests', name: 'tester' };
  const logger = createLogger({ service: 's3', level: 'error' });
  const server = await startS3Server({ directory, port: 0, credentials: [credentials], logger, ...options });
  server.createBucket(LANDING, { hasEvents: true });
  server.createBucket(OUTBOUND);
  const endpoint = server.url;
  const client = createS3Client({ LONGSHORE_S3_PATH_STYLE: true, endpoint, region: 'us-east-1', credentials });
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
