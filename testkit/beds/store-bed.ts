/** For tests: two stores, the fleet's own and one elsewhere behind a proxy that spoils, and the directory that finds it by its definition. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { storeDocumentSchema } from '#shared/definitions/store-schema.ts';
import { PartBuffers } from '#shared/files/copies/part-buffers.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createPartClient } from '#shared/files/s3-client.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { createStoreDirectory } from '#shared/stores/store-directory.ts';
import { startTestServer } from '#testkit/servers/s3-server.ts';
import { startS3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';
import { connectTestDatabase } from './job-runner.ts';

/** Nothing but the external store takes them. */
export const FAR_CREDENTIAL = { accessKeyId: 'FARAWAY', secretAccessKey: 'hush-of-the-far-store', name: 'far' };
export const FAR_BUCKET = 'globex-inbox';
export const PART_BYTES = 5 * 1024 ** 2;

export type StoreTestBed = Awaited<ReturnType<typeof startStoreTestBed>>;

/** `near`: the URL and credentials of the fleet's own store. */
export async function startStoreTestBed(near: {
  readonly url: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}) {
  const [database, far, secretsDirectory] = await Promise.all([
    createTestDatabase(),
    startTestServer({ credentials: [FAR_CREDENTIAL] }),
    mkdtemp(join(tmpdir(), 'longshore-secrets-')),
  ]);
  far.server.createBucket(FAR_BUCKET);
  far.server.createBucket('not-allowed');
  const proxy = await startS3FaultProxy(far.server.url);
  const sql = connectTestDatabase(database.url);
  await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('acme', 'Acme', '{}')`;
  const farClient = createPartClient({
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: far.server.url,
    region: 'us-east-1',
    // The SDK writes into what it is given.
    credentials: { ...FAR_CREDENTIAL },
    stallMs: 10_000,
  });
  const sourceClient = createPartClient({
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: near.url,
    region: 'us-east-1',
    credentials: { ...near.credentials },
    stallMs: 10_000,
  });
  await mkdir(join(secretsDirectory, 'acme'));
  const bed = {
    sql,
    proxy,
    secretsDirectory,
    /** At the external store, past the proxy. */
    farStore: createObjectStore({ client: farClient }),
    async putSecret(credentials: unknown = FAR_CREDENTIAL) {
      const { name: _, ...keys } = credentials as typeof FAR_CREDENTIAL;
      await writeFile(join(secretsDirectory, 'acme', 'globex-s3'), JSON.stringify(keys), { mode: 0o600 });
    },
    /** In another database when one is named. */
    async define(changes: Readonly<Record<string, unknown>> = {}, into = sql) {
      const definition = storeDocumentSchema.parse({
        kind: 'store',
        tenant: 'acme',
        name: 'globex',
        endpoint: proxy.url,
        pathStyle: true,
        credentials: 'globex-s3',
        buckets: [FAR_BUCKET],
        ...changes,
      });
      await applyDefinition(
        into,
        'store',
        { tenantId: 'acme', name: 'globex', definition, definitionHash: randomUUID() },
        'test',
      );
    },
    openDirectory(options: { allow?: readonly string[]; now?: () => number } = {}) {
      return createStoreDirectory({
        sql,
        sourceClient,
        partBuffers: new PartBuffers({ count: 3, bytes: PART_BYTES }),
        stallMs: 10_000,
        secrets: createFileSecretStore(secretsDirectory),
        addressGuard: createAddressGuard({ allow: options.allow ?? ['127.0.0.0/8', '::1'] }),
        logger: createLogger({ service: 'test', level: 'silent' }),
        ...(options.now !== undefined && { now: options.now }),
      });
    },
    async readFar(key: string): Promise<Buffer> {
      const pieces: Uint8Array[] = [];
      for await (const piece of bed.farStore.readStream({ bucket: FAR_BUCKET, key })) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    async farVersions(key: string) {
      return (await bed.farStore.listVersions({ bucket: FAR_BUCKET, prefix: key })).items;
    },
    /** An upload with one part, that nobody continues with. */
    async beginUpload(Key: string): Promise<string> {
      const place = { Bucket: FAR_BUCKET, Key };
      const { UploadId = '' } = await farClient.send(new CreateMultipartUploadCommand(place));
      await farClient.send(new UploadPartCommand({ ...place, UploadId, PartNumber: 1, Body: 'part' }));
      return UploadId;
    },
    async farUploads() {
      return (await bed.farStore.listMultipartUploads({ bucket: FAR_BUCKET })).items;
    },
    async stop() {
      for (const client of [farClient, sourceClient]) client.destroy();
      await proxy.stop();
      await Promise.all([far.stop(), sql.end({ timeout: 5 })]);
      await database.drop();
      await rm(secretsDirectory, { recursive: true, force: true });
    },
  };
  await bed.putSecret();
  await bed.define();
  return bed;
}
