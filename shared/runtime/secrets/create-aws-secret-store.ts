/**
 * Secrets of AWS Secrets Manager: the store of the fleet on AWS.
 *
 * 1. A value is believed for `freshMs`, so a rotation needs no restart, and calls of partners cost next to no request here.
 * 2. One question per secret at a time, and none for a short time after a failure: a missing secret must not become a flood.
 * 3. While the service does not answer, the value at hand serves on, up to `longestMs`; one that it says is gone or closed to us
 *    counts no longer.
 * 4. The SDK's errors are not passed on: one about a reply that cannot be read carries the reply.
 * 5. The SDK is loaded with the first question: a worker that copies large files and asks none has that memory for them.
 * 6. With `tenantRole`, what is in a tenant's folder is read by a session of that role which is tagged with the tenant: the role reads the
 *    folder of its tag alone, so that a fault of ours that mixes up two tenants is refused by IAM.
 */
import type {
  GetSecretValueCommandOutput,
  SecretsManagerClient,
  SecretsManagerClientConfig,
} from '@aws-sdk/client-secrets-manager';
import { OWN_SECRET_FOLDERS, TENANT_TAG } from '#shared/runtime/config/secret-names.ts';
import { isSecretName, type Secret, SecretError, type SecretStore, unavailableSecret } from './secret-store.ts';

export interface AwsSecretStoreOptions {
  /** Stands before every name, so that a definition reaches no other secret of the account. */
  readonly prefix: string;
  /** ARN of the role whose sessions read the secrets of one tenant each. Without it, they are read as the fleet's own are. */
  readonly tenantRole?: string | undefined;
  readonly freshMs?: number;
  readonly longestMs?: number;
  /** After a failure, before the service is asked again. */
  readonly pauseMs?: number;
  /** For one question with its repeats. */
  readonly deadlineMs?: number;
  /** Monotonic, in ms. */
  readonly now?: () => number;
}

const DEFAULTS = { freshMs: 60_000, longestMs: 600_000, pauseMs: 2_000, deadlineMs: 5_000 };
/** The longest that a role allows which is assumed by another one. */
const SESSION_SECONDS = 3_600;
/** Each with its session and connections; a fleet of more tenants opens those that it needs again. */
const MOST_CLIENTS = 200;
const CONNECT_TIMEOUT_MS = 2_000;
const TRY_TIMEOUT_MS = 3_000;

/** The service's own word that this secret is not for us; everything else may pass. */
const REFUSALS = new Set([
  'ResourceNotFoundException',
  'AccessDeniedException',
  // By STS.
  'AccessDenied',
  'DecryptionFailure',
  'InvalidParameterException',
  'InvalidRequestException',
]);

interface HeldSecret {
  readonly secret: Secret;
  readonly readAt: number;
}

interface HeldFailure {
  readonly error: SecretError;
  readonly at: number;
}

/** Region, credentials and endpoint come from the SDK's own environment (`AWS_ENDPOINT_URL_SECRETS_MANAGER`). */
export function createAwsSecretStore(options: AwsSecretStoreOptions): SecretStore {
  const { prefix, tenantRole, freshMs, longestMs, pauseMs, deadlineMs } = { ...DEFAULTS, ...options };
  const now = options.now ?? (() => performance.now());
  const held = new Map<string, HeldSecret>();
  const failures = new Map<string, HeldFailure>();
  const asking = new Map<string, Promise<Secret>>();
  const clients = new Map<string, SecretsManagerClient>();

  /** The newest are kept. */
  async function clientFor(sdk: Sdk, name: string): Promise<SecretsManagerClient> {
    const tenant = tenantRole === undefined ? '' : tenantOf(name);
    const credentials =
      tenantRole === undefined || tenant === '' || clients.has(tenant)
        ? undefined
        : await tenantSession(tenantRole, tenant);
    const client = clients.get(tenant) ?? createClient(sdk, credentials);
    clients.delete(tenant);
    clients.set(tenant, client);
    const [[oldest, unused] = []] = clients;
    if (clients.size > MOST_CLIENTS && oldest !== undefined) {
      clients.delete(oldest);
      unused?.destroy();
    }
    return client;
  }

  async function ask(name: string): Promise<Secret> {
    try {
      const sdk = await import('@aws-sdk/client-secrets-manager');
      const client = await clientFor(sdk, name);
      const command = new sdk.GetSecretValueCommand({ SecretId: `${prefix}${name}` });
      const reply = await client.send(command, { abortSignal: AbortSignal.timeout(deadlineMs) });
      const secret = readReply(name, reply);
      held.set(name, { secret, readAt: now() });
      failures.delete(name);
      return secret;
    } catch (cause) {
      const word = cause instanceof Error ? cause.name : 'unknown';
      if (cause instanceof SecretError || REFUSALS.has(word)) held.delete(name);
      const error =
        cause instanceof SecretError
          ? cause
          : new SecretError(`The secret ${name} cannot be read (${word}).`, { isPassing: !REFUSALS.has(word) });
      failures.set(name, { error, at: now() });
      return keepServing(name, error);
    }
  }

  function keepServing(name: string, error: SecretError): Secret {
    const known = held.get(name);
    if (known !== undefined && now() - known.readAt < longestMs) return known.secret;
    throw error;
  }

  return {
    async read(name) {
      if (!isSecretName(name)) throw unavailableSecret('A secret has a name that cannot be one.');
      const known = held.get(name);
      if (known !== undefined && now() - known.readAt < freshMs) return known.secret;
      const failure = failures.get(name);
      if (failure !== undefined && now() - failure.at < pauseMs) return keepServing(name, failure.error);
      const running = asking.get(name) ?? ask(name).finally(() => asking.delete(name));
      asking.set(name, running);
      return await running;
    },
  };
}

type Sdk = typeof import('@aws-sdk/client-secrets-manager');

const NETWORK = {
  maxAttempts: 2,
  requestHandler: {
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: TRY_TIMEOUT_MS,
    // The SDK would only warn otherwise.
    throwOnRequestTimeout: true,
    socketTimeout: TRY_TIMEOUT_MS,
  },
};

function createClient(sdk: Sdk, credentials?: SecretsManagerClientConfig['credentials']): SecretsManagerClient {
  return new sdk.SecretsManagerClient({ ...NETWORK, ...(credentials !== undefined && { credentials }) });
}

/** Whose folder a secret is in; empty for the fleet's own. */
function tenantOf(name: string): string {
  const [folder = ''] = name.split('/');
  return name.includes('/') && !OWN_SECRET_FOLDERS.includes(folder) ? folder : '';
}

/** Asked of STS with the first question, and again before it ends. */
async function tenantSession(role: string, tenant: string): Promise<SecretsManagerClientConfig['credentials']> {
  const { fromTemporaryCredentials } = await import('@aws-sdk/credential-providers');
  return fromTemporaryCredentials({
    params: {
      RoleArn: role,
      RoleSessionName: `tenant-${tenant}`.slice(0, 64),
      DurationSeconds: SESSION_SECONDS,
      Tags: [{ Key: TENANT_TAG, Value: tenant }],
    },
    clientConfig: NETWORK,
  });
}

function readReply(name: string, reply: GetSecretValueCommandOutput): Secret {
  const { SecretString, SecretBinary, VersionId, CreatedDate } = reply;
  const whole = SecretString ?? (SecretBinary === undefined ? '' : Buffer.from(SecretBinary).toString('utf8'));
  const text = whole.replace(/\r?\n$/, '');
  if (text === '' || VersionId === undefined) throw unavailableSecret(`The secret ${name} is empty.`);
  return { text, version: VersionId, changedAt: CreatedDate?.toISOString() };
}
