/**
 * For tests that kill a worker in the middle of a large copy: a process that runs the engine on one job, with the real steps and store.
 *
 * Argument: JSON of `TestCopy`.
 */

import { PartBuffers } from '#shared/files/copies/part-buffers.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createPartClient, createS3Client } from '#shared/files/s3-client.ts';
import { deliverOptions } from '#shared/steps/deliver/options.ts';
import { deliverStep } from '#shared/steps/deliver/run.ts';
import { transformOptions } from '#shared/steps/transform/options.ts';
import { transformStep } from '#shared/steps/transform/run.ts';
import { connectTestDatabase, createTestRunner, neverStops } from './job-runner.ts';

export interface TestCopy {
  readonly databaseUrl: string;
  readonly s3Url: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly jobId: string;
  readonly leaseMs: number;
  readonly partsInFlight: number;
  readonly partBytes: number;
  /** What a request is given to move a byte; 60 s when absent. */
  readonly stallMs?: number;
}

export function createCopyRunner(copy: TestCopy) {
  const { s3Url, credentials, partsInFlight, partBytes, stallMs = 60_000 } = copy;
  const config = { LONGSHORE_S3_PATH_STYLE: true, endpoint: s3Url, region: 'us-east-1', credentials };
  const clients = [createS3Client(config), createPartClient({ ...config, stallMs })] as const;
  const store = createObjectStore({
    client: clients[0],
    partClient: clients[1],
    copyPartBytes: partBytes,
    uploadPartBytes: partBytes,
    partConcurrency: partsInFlight,
    idleTimeoutMs: stallMs,
    copyConcurrency: partsInFlight,
    partBuffers: new PartBuffers({ count: partsInFlight, bytes: partBytes }),
  });
  const sql = connectTestDatabase(copy.databaseUrl);
  const runner = createTestRunner({
    sql,
    steps: {
      deliver: (context) =>
        deliverStep.run({ ...context, store, options: deliverOptions.schema.parse(context.options) }),
      transform: (context) =>
        transformStep.run({ ...context, store, options: transformOptions.schema.parse(context.options) }),
    },
    queue: 'work',
    leaseMs: copy.leaseMs,
    stepDeadlineMs: 600_000,
    worker: `test/${process.pid}`,
  });
  return {
    runner,
    store,
    async close() {
      await runner.stop();
      await sql.end({ timeout: 1 });
      for (const client of clients) client.destroy();
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const copy = JSON.parse(process.argv[2] ?? '') as TestCopy;
  const { runner, close } = createCopyRunner(copy);
  runner.start();
  await runner.handle({ type: 'job.due', jobId: copy.jobId, tenantId: 'acme', wake: 1 }, neverStops);
  await close();
}
