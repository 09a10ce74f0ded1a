/**
 * For `bench -- large`: a process that copies as the large-file-worker does, or moves bytes as barely as one can; its own process
 * for each measurement, so that its peak of memory is its own.
 *
 * Argument: JSON of `LargeMeasurement`. Sends one message, `LargeMeasured`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AbortMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import { PartBuffers } from '#shared/files/copies/part-buffers.ts';
import { planParts } from '#shared/files/copies/plan-parts.ts';
import { verifyCopy } from '#shared/files/copies/verify-copy.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { freeMemory } from '#shared/files/read-object.ts';
import { createPartClient, createS3Client } from '#shared/files/s3-client.ts';
import { copyVariables } from '#shared/runtime/config/copy-variables.ts';

export interface LargeMeasurement {
  readonly what: 'server-side' | 'streamed' | 'get' | 'put' | 'get-and-put';
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly source: { readonly bucket: string; readonly key: string; readonly sizeBytes: number };
  readonly targetBucket: string;
  /** Copies side by side. */
  readonly copies: number;
}

export interface LargeMeasured {
  readonly ms: number;
}

const measurement = JSON.parse(process.argv[2] ?? '') as LargeMeasurement;
const { source, targetBucket, copies } = measurement;
const config = {
  LONGSHORE_S3_PATH_STYLE: true,
  endpoint: measurement.endpoint,
  region: 'us-east-1',
  credentials: measurement.credentials,
};
const PARTS = copyVariables.LONGSHORE_COPY_PARTS.parse(undefined);
const PART_BYTES = copyVariables.LONGSHORE_COPY_PART_BYTES.parse(undefined);
const client = createS3Client(config);
const partClient = createPartClient({ ...config, stallMs: 60_000 });
const store = createObjectStore({
  client,
  partClient,
  partBuffers: new PartBuffers({ count: PARTS, bytes: PART_BYTES }),
});

async function copyOnce(plan: 'server-side' | 'streamed', index: number): Promise<void> {
  const head = await store.head(source);
  if (head === 'not-found') throw new Error('the source is not there');
  const target = { bucket: targetBucket, key: `${source.key}.${index}` };
  const copied = await store.copyMultipart({
    source: { ...source, versionId: head.versionId, etag: head.etag },
    target,
    sizeBytes: head.sizeBytes,
    jobId: `bench-${index}`,
    replace: { metadata: {} },
    plan,
    checksums: head.checksums,
    checksumAlgorithm: head.checksums[0]?.algorithm,
  });
  const verdict = await verifyCopy({ store, source: { ...source, ...head }, target: { ...target, ...copied } });
  if (verdict.type !== 'same') throw new Error(`the copy differs in ${verdict.what}`);
}

/** Ranges side by side, thrown away as they come. */
async function getAll(): Promise<void> {
  const bare = createObjectStore({ client: partClient });
  await sideBySide(planParts(source.sizeBytes, PART_BYTES), async (range) => {
    for await (const piece of bare.readStream(source, { range })) freeMemory(piece);
  });
}

/** Parts of zeros side by side, never completed. */
async function putAll(): Promise<void> {
  const place = { Bucket: targetBucket, Key: `${source.key}.zeros` };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(place));
  const zeros = Buffer.alloc(PART_BYTES);
  await sideBySide(planParts(source.sizeBytes, PART_BYTES), async ({ number, first, last }) => {
    const Body = zeros.subarray(0, last - first + 1);
    await partClient.send(new UploadPartCommand({ ...place, UploadId, PartNumber: number, Body }));
  });
  await client.send(new AbortMultipartUploadCommand({ ...place, UploadId }));
}

async function sideBySide<Item>(items: readonly Item[], run: (item: Item) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: PARTS }, async () => {
      for (const item of left) await run(item);
    }),
  );
}

async function measure(): Promise<void> {
  const { what } = measurement;
  if (what === 'server-side' || what === 'streamed') {
    await Promise.all(Array.from({ length: copies }, (_, index) => copyOnce(what, index)));
  } else if (what === 'get') await getAll();
  else if (what === 'put') await putAll();
  else await Promise.all([getAll(), putAll()]);
}

// The connection and the code are warm in a service that has run for a while.
await store.head(source);
const startedMs = performance.now();
await measure();
const measured: LargeMeasured = { ms: performance.now() - startedMs };
process.send?.(measured);
for (const open of [client, partClient]) open.destroy();
// Until the parent has read its memory and lets it go.
process.once('disconnect', () => process.exit(0));
await delay(60_000);
