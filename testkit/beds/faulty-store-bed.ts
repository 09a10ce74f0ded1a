/** A store behind a proxy that does what stores can do wrong, and the same store past it. */
import type { S3Client } from '@aws-sdk/client-s3';
import { PartBuffers } from '#shared/files/copies/part-buffers.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectAddress, ObjectStore } from '#shared/files/object-store.ts';
import { createPartClient, createS3Client, type S3ClientConfig } from '#shared/files/s3-client.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import {
  type S3Fault,
  type S3FaultProxy,
  type S3Request,
  startS3FaultProxy,
} from '#testkit/servers/start-s3-fault-proxy.ts';

export interface FaultyStore {
  readonly s3: S3TestServer;
  readonly proxy: S3FaultProxy;
  /** Of the clients through the proxy. */
  readonly connection: S3ClientConfig;
  readonly client: S3Client;
  readonly partClient: S3Client;
  readonly store: ObjectStore;
  /** Past the proxy. */
  readonly direct: ObjectStore;
  stop(): Promise<void>;
}

/** Of a request; a copy is given one and a half times that, which a busy machine does not take between two bytes. */
const STALL_MS = 2_000;

/** Its buckets are `here` and `there`. */
export async function startFaultyStore({ partBytes }: { readonly partBytes: number }): Promise<FaultyStore> {
  const s3 = await startTestServer({ smallestPartBytes: partBytes });
  for (const bucket of ['here', 'there']) s3.server.createBucket(bucket);
  const proxy = await startS3FaultProxy(s3.server.url);
  const { accessKeyId, secretAccessKey } = TEST_CREDENTIAL;
  const connection = {
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: proxy.url,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
  };
  const client = createS3Client(connection);
  const partClient = createPartClient({ ...connection, stallMs: STALL_MS });
  const store = createObjectStore({
    client,
    partClient,
    copyPartBytes: partBytes,
    smallestPartBytes: partBytes,
    copyConcurrency: 2,
    uploadPartBytes: partBytes,
    partBuffers: new PartBuffers({ count: 3, bytes: partBytes }),
    idleTimeoutMs: STALL_MS,
  });
  return {
    s3,
    proxy,
    connection,
    client,
    partClient,
    store,
    direct: createObjectStore({ client: s3.client }),
    async stop() {
      for (const open of [client, partClient]) open.destroy();
      await proxy.stop();
      await s3.stop();
    },
  };
}

export type Choose = (request: S3Request) => S3Fault | undefined;

export function every(operation: string, nth: number, fault: S3Fault): Choose {
  return (asked) => (asked.operation === operation && asked.count % nth === 0 ? fault : undefined);
}

export function once(operation: string, fault: S3Fault): Choose {
  return (asked) => (asked.operation === operation && asked.count === 1 ? fault : undefined);
}

export async function readWhole(store: ObjectStore, address: ObjectAddress): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of store.readStream(address)) pieces.push(piece);
  return Buffer.concat(pieces);
}
