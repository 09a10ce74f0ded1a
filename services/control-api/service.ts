/** The control API as a service: its connections, its server, started and stopped together. */

import { LRUCache } from 'lru-cache';
import { findApiKey, noteKeyUse } from '#shared/access/api-keys.ts';
import { findSession, noteSessionUse } from '#shared/access/sessions.ts';
import type { Setting } from '#shared/api/settings.ts';
import { createMailTransports } from '#shared/campaigns/mail-transports.ts';
import { assertDatabaseAnswers, connectDatabase, connectReads, type Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordedPrefix } from '#shared/files/replica-buckets.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { mailServerOf } from '#shared/notices/mail-variables.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { bucketName, bucketNames, QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { Service, ServiceContext } from '#shared/runtime/run-service.ts';
import { createSecretStore } from '#shared/runtime/secrets/create-secret-store.ts';
import { buildApp } from './build-app.ts';
import { chatSettingsOf } from './chat/chat-settings.ts';
import type { ControlApiConfig } from './config.ts';
import type { ApiServer } from './http/api-server.ts';
import { createAuthenticator } from './http/authenticate.ts';
import type { AuthenticateBearer } from './http/authenticate-bearer.ts';
import { makeOwnCertificate } from './http/own-certificate.ts';
import { lookUpQueues, readQueueDepths } from './operations/read-queue-depths.ts';
import { createWakeUpSenders } from './operations/wake-up-senders.ts';
import { signInSettingsOf } from './sign-in/sign-in-settings.ts';
import { type LandingAccess, openLanding } from './uploads/landing-access.ts';

const NAME = 'control-api';
const DATABASE_ANSWER_MS = 10_000;
const READINESS_MS = 1_500;
const CLOCK_TOLERANCE_S = 5;
const LARGEST_TOKEN_BYTES = 8_192;
const NOTED_SESSIONS = 10_000;
const NOTE_MS = 60_000;
/** As the authorizer's defaults. */
const KEY_SET = { timeoutMs: 3_000, refreshMs: 600_000, maxAgeMs: 3_600_000, cooldownMs: 10_000 };

export interface ControlApi extends Service {
  /** E.g. `http://127.0.0.1:8080`; undefined before it has started. */
  address(): string | undefined;
}

export interface ControlApiContext extends ServiceContext<ControlApiConfig> {
  /** What people may see of the configuration. */
  readonly settings?: readonly Setting[];
}

export function createService({ config, logger, registry, settings = [] }: ControlApiContext): ControlApi {
  const sql = connectDatabase(config, NAME);
  const reads = connectReads(config, `${NAME}-reads`);
  const client = createSqsClient({ region: config.AWS_REGION });
  let app: ApiServer | undefined;
  let landing: LandingAccess | undefined;
  let closeTransports = () => {};
  let address: string | undefined;
  let stopping: Promise<void> | undefined;

  async function findAndNote(key: string) {
    const owner = await findApiKey(sql, key);
    if (owner !== undefined)
      void noteKeyUse(sql, owner.keyId).catch((error: unknown) =>
        logger.warn({ err: error }, 'use of a key not noted'),
      );
    return owner;
  }

  async function start(): Promise<void> {
    await assertDatabaseAnswers(sql, DATABASE_ANSWER_MS);
    const addresses = lookUpQueues(client, config.LONGSHORE_PREFIX);
    const senders = createWakeUpSenders({
      client,
      queueUrls: addresses.main,
      fairQueues: config.LONGSHORE_FAIR_QUEUES,
      logger,
    });
    landing = openLanding({
      s3: config,
      prefix: recordedPrefix(config),
      publicUrl: config.LONGSHORE_S3_PUBLIC_URL,
      sql,
      senders,
      logger,
    });
    const secrets = createSecretStore(config);
    const transports = createMailTransports({ region: config.AWS_REGION, secrets });
    closeTransports = transports.close;
    app = await buildApp({
      ...(config.LONGSHORE_API_TLS === 'self-signed' && { certificate: await makeOwnCertificate() }),
      sql,
      reads,
      senders,
      landing,
      uploadOrigins: [uploadOriginOf(config)],
      admissionWindow: config.LONGSHORE_ADMISSION_WINDOW,
      region: config.AWS_REGION,
      homeRegions: config.LONGSHORE_HOME_REGIONS,
      largeFileThresholdBytes: config.LONGSHORE_LARGE_FILE_THRESHOLD_BYTES,
      bucketNames: bucketNames(recordedPrefix(config)),
      readDepths: (queues = QUEUE_IDS) => readQueueDepths(client, addresses, queues),
      authenticate: createAuthenticator({
        findKey: findAndNote,
        cacheMs: config.LONGSHORE_API_KEY_CACHE_MS,
      }),
      authenticateBearer: await createBearer(config, sql),
      authenticateSession: createAuthenticator({
        findKey: (token) => findSession(sql, token),
        cacheMs: config.LONGSHORE_API_KEY_CACHE_MS,
      }),
      noteSessionUse: noteEachMinute((sessionId) => noteSessionUse(sql, sessionId), logger),
      signIn: signInSettingsOf(config),
      mailServer: mailServerOf(config),
      logger,
      registry,
      actionApprovalOver: config.LONGSHORE_ACTION_APPROVAL_OVER,
      reasonRule: config.LONGSHORE_REASON_PATTERN,
      settings,
      ratePerSecond: config.LONGSHORE_API_RATE_PER_SECOND,
      strangerRatePerMinute: config.LONGSHORE_API_STRANGER_RATE_PER_MINUTE,
      streamsPerKey: config.LONGSHORE_API_STREAMS_PER_KEY,
      streams: config.LONGSHORE_API_STREAMS,
      secrets,
      transports,
      remoteGuard: createAddressGuard({ allow: config.LONGSHORE_REMOTE_ADDRESSES ?? [] }),
      partnerGuard: createAddressGuard({ allow: config.LONGSHORE_PARTNER_ADDRESSES ?? [] }),
      chat: chatSettingsOf(config),
      linkSecret: config.LONGSHORE_LINK_SECRET,
      publicUrl: config.LONGSHORE_PUBLIC_URL,
      receiptSecret: config.LONGSHORE_RECEIPT_SECRET,
      trustedProxies: config.LONGSHORE_API_TRUSTED_PROXIES,
    });
    const { LONGSHORE_API_HOST: host = config.LONGSHORE_HTTP_HOST, LONGSHORE_API_PORT: port } = config;
    address = await app.listen({ host, port }).catch((cause: unknown) => {
      throw new LongshoreError('CONFIG_INVALID', `The API cannot listen on ${host}:${port}.`, { cause });
    });
    logger.info({ address }, 'API listens');
  }

  /** Answers what is under way, then closes; `close` itself has no bound, so idle and stuck sockets are cut. */
  async function close(): Promise<void> {
    const cut = setTimeout(() => app?.server.closeAllConnections(), config.LONGSHORE_DRAIN_MS);
    try {
      await app?.close();
    } finally {
      clearTimeout(cut);
    }
    await Promise.all([sql.end({ timeout: 5 }), reads.$client.end({ timeout: 5 })]);
    client.destroy();
    closeTransports();
    await landing?.close();
  }

  return {
    start,
    stop: () => {
      stopping ??= close();
      return stopping;
    },
    address: () => address,
    liveness: () => ({ ok: true, detail: 'alive' }),
    readiness: async () => {
      try {
        await assertDatabaseAnswers(sql, READINESS_MS);
        return { ok: true, detail: 'ready' };
      } catch {
        return { ok: false, detail: 'the database does not answer' };
      }
    },
  };
}

/** Sessions ask often; to the minute is enough. */
function noteEachMinute(note: (sessionId: string) => Promise<void>, logger: Logger): (sessionId: string) => void {
  const noted = new LRUCache<string, true>({ max: NOTED_SESSIONS, ttl: NOTE_MS });
  return (sessionId) => {
    if (noted.has(sessionId)) return;
    noted.set(sessionId, true);
    note(sessionId).catch((err: unknown) => logger.warn({ err }, 'use of a session not noted'));
  };
}

/** Where presigned URLs lead: what the portal's pages may connect to. */
function uploadOriginOf({
  LONGSHORE_S3_PUBLIC_URL: url,
  LONGSHORE_PREFIX: prefix,
  AWS_REGION: region,
}: ControlApiConfig): string {
  return url === undefined
    ? `https://${bucketName(prefix, 'landing')}.s3.${region}.amazonaws.com`
    : new URL(url).origin;
}

async function createBearer(config: ControlApiConfig, sql: Sql): Promise<AuthenticateBearer | undefined> {
  const {
    LONGSHORE_API_OAUTH_ISSUER: issuer,
    LONGSHORE_API_OAUTH_AUDIENCE: audience,
    LONGSHORE_API_OAUTH_JWKS_URL: url,
  } = config;
  if (issuer === undefined || audience === undefined || url === undefined) return undefined;
  // Loaded where there is an issuer: the libraries take some megabytes.
  const { createKeyCache } = await import('#shared/access/key-cache.ts');
  const { createBearerAuthenticator } = await import('./http/authenticate-bearer.ts');
  return createBearerAuthenticator({
    rules: {
      issuer,
      audience,
      algorithms: config.LONGSHORE_API_OAUTH_ALGORITHMS,
      clockToleranceS: CLOCK_TOLERANCE_S,
      largestTokenBytes: LARGEST_TOKEN_BYTES,
    },
    keys: createKeyCache({ url, ...KEY_SET, now: Date.now }),
    roles: config.LONGSHORE_API_OAUTH_ROLES ?? {},
    tenantClaim: config.LONGSHORE_API_OAUTH_TENANT_CLAIM,
    isActiveTenant: async (tenantId) => {
      const rows = await sql`SELECT 1 FROM tenants WHERE id = ${tenantId} AND disabled_at IS NULL`;
      return rows.length > 0;
    },
    cacheMs: config.LONGSHORE_API_KEY_CACHE_MS,
  });
}
