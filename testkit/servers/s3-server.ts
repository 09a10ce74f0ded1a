/** A server in its own directory for a test, and SDK clients with their defaults. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { type S3Server, type S3ServerOptions, startS3Server } from '#local/s3/server.ts';
import { createLogger } from '#shared/runtime/logger.ts';

export const TEST_CREDENTIAL = { accessKeyId: 'LOCALTEST', secretAccessKey: 'a-secret-for-tests', name: 'tester' };

export interface S3TestServer {
  readonly server: S3Server;
  readonly directory: string;
  readonly client: S3Client;
  stop(): Promise<void>;
}

export async function startTestServer(options: Partial<S3ServerOptions> = {}): Promise<S3TestServer> {
  const directory = mkdtempSync(join(tmpdir(), 'longshore-s3-'));
  const logger = createLogger({ service: 's3', level: 'error' });
  const server = await startS3Server({ directory, port: 0, credentials: [TEST_CREDENTIAL], logger, ...options });
  const client = createTestClient(server.url);
  return {
    server,
    directory,
    client,
    async stop() {
      client.destroy();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function createTestClient(endpoint: string, credentials = TEST_CREDENTIAL): S3Client {
  return new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true, maxAttempts: 1 });
}
