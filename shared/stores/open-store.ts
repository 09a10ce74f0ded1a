/**
 * An external store, by its definition: its clients, made once and closed together.
 *
 * 1. Its credentials are asked of the secret store for every request, which knows when they were rotated.
 * 2. No connection is opened to an address that the guard does not allow.
 * 3. What the store replies to a request that it refuses stays here (`hide-replies.ts`).
 * 4. Endpoint, region and credentials are the definition's, never those of the fleet's environment.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import type { StoreDocument } from '#shared/definitions/store-schema.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { hideReplies } from '#shared/files/hide-replies.ts';
import type { ExternalTarget, ObjectStore, ObjectStoreOptions } from '#shared/files/object-store.ts';
import { createPartClient, createS3Client } from '#shared/files/s3-client.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { type SecretStore, unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { parseJson } from '#shared/text/parse-json.ts';

export interface ExternalStoreOptions {
  /** Of the fleet's own store; copies are read by it. */
  readonly sourceClient: ExternalTarget['sourceClient'];
  /** As for the fleet's own store, with which they are shared. */
  readonly partBuffers?: ObjectStoreOptions['partBuffers'];
  readonly metrics?: ObjectStoreOptions['metrics'];
  /** A request over which no byte comes for so long has failed. */
  readonly stallMs: number;
  /** Of the tenant. */
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
}

export interface OpenStore {
  readonly definition: StoreDocument;
  readonly store: ObjectStore;
  /** Resolves when the store may be called: its address is allowed, and there are credentials. @throws what is amiss. */
  assertUsable(): Promise<void>;
  close(): void;
}

const credentialsSchema = z.strictObject({
  accessKeyId: z.string().min(1).max(200),
  secretAccessKey: z.string().min(1).max(1_000),
  sessionToken: z.string().min(1).optional(),
});
/** The SDK asks again for credentials that end within five minutes, so it does for each request. */
const BELIEVED_MS = 1_000;

export function openStore(definition: StoreDocument, options: ExternalStoreOptions): OpenStore {
  const { sourceClient, partBuffers, metrics, stallMs, secrets, addressGuard } = options;
  const endpoint = definition.endpoint ?? endpointOfAmazon(definition.region);
  const credentials = async () => {
    const { sessionToken, ...keys } = await readCredentials(secrets, definition.credentials);
    const expiration = new Date(Date.now() + BELIEVED_MS);
    return { ...keys, ...(sessionToken !== undefined && { sessionToken }), expiration };
  };
  const config = {
    LONGSHORE_S3_PATH_STYLE: definition.pathStyle,
    endpoint,
    region: definition.region,
    credentials,
    lookup: addressGuard.lookup,
  };
  const clients = [createS3Client(config), createPartClient({ ...config, stallMs })] as const;
  for (const client of clients) hideReplies(client);
  const store = createObjectStore({
    client: clients[0],
    partClient: clients[1],
    idleTimeoutMs: stallMs,
    external: { name: definition.name, sourceClient, hasChecksums: definition.checksums },
    ...(partBuffers !== undefined && { partBuffers }),
    ...(metrics !== undefined && { metrics }),
  });
  return {
    definition,
    store,
    async assertUsable() {
      // Node looks up names only: an address in the URL would pass by the guard.
      const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, '');
      if (isIP(host) !== 0 && !addressGuard.isAllowed(host))
        throw new ObjectStoreError('forbidden', `the address ${host} may not be called`);
      await readCredentials(secrets, definition.credentials);
    },
    close() {
      for (const client of clients) client.destroy();
    },
  };
}

function endpointOfAmazon(region: string): string {
  return `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

/** The secret's own text is in no error. */
async function readCredentials(secrets: SecretStore, name: string): Promise<z.infer<typeof credentialsSchema>> {
  const { text } = await secrets.read(name);
  const parsed = credentialsSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw unavailableSecret(`The secret ${name} is not a JSON object with accessKeyId and secretAccessKey.`);
}
