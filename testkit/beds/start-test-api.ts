/** The API with its own database, real queues and keys, for tests. */

import { pino } from 'pino';
import { Registry } from 'prom-client';
import { type AppOptions, buildApp } from '#services/control-api/build-app.ts';
import type { ApiServer } from '#services/control-api/http/api-server.ts';
import { createAuthenticator } from '#services/control-api/http/authenticate.ts';
import { readQueueDepths } from '#services/control-api/operations/read-queue-depths.ts';
import { createWakeUpSenders } from '#services/control-api/operations/wake-up-senders.ts';
import { type OpenLandingOptions, openLanding } from '#services/control-api/uploads/landing-access.ts';
import { createApiKey, findApiKey } from '#shared/access/api-keys.ts';
import { findSession, noteSessionUse } from '#shared/access/sessions.ts';
import type { MailTransports } from '#shared/campaigns/mail-transports.ts';
import { connectDatabase, connectReads, type Reads, type Sql } from '#shared/db/connect-database.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { ADMISSION_WINDOW } from '#shared/jobs/admission.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { bucketNames, QUEUE_IDS, type QueueId } from '#shared/runtime/config/resource-names.ts';
import { unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { type Fauxqs, startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';

export interface TestApi {
  readonly app: ApiServer;
  readonly sql: Sql;
  readonly reads: Reads;
  readonly fauxqs: Fauxqs;
  readonly registry: Registry;
  readonly queueUrls: Readonly<Record<QueueId, string>>;
  /** `acme` and `globex` are tenants. */
  readonly keys: Readonly<Record<'operator' | 'acme' | 'globex', string>>;
  /** Every line that was logged, as text. */
  readonly logged: string[];
  stop(): Promise<void>;
}

const NO_STORE = {
  endpoint: 'http://127.0.0.1:1',
  region: 'us-east-1',
  credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
  maxAttempts: 1,
};

/** Nothing is sent. */
const NO_MAIL: MailTransports = {
  send: async () => ({ type: 'not-sent', reason: 'NO_MAIL' }),
  accountName: 'none',
  account: async () => ({ maxPerSecond: null, maxPerDay: null, sentLastDay: null }),
  close: () => undefined,
};

export async function startTestApi(
  overrides: Partial<
    Pick<
      AppOptions,
      | 'actionApprovalOver'
      | 'reasonRule'
      | 'settings'
      | 'admissionWindow'
      | 'ratePerSecond'
      | 'strangerRatePerMinute'
      | 'authenticate'
      | 'authenticateBearer'
      | 'answerMs'
      | 'heartbeatMs'
      | 'streamMs'
      | 'secrets'
      | 'partnerGuard'
      | 'chat'
      | 'linkSecret'
      | 'publicUrl'
      | 'transports'
      | 'arrivalMs'
      | 'uploadOrigins'
      | 'signIn'
      | 'mailServer'
      | 'trustedProxies'
      | 'authenticateSession'
      | 'now'
    >
  > & {
    /** Of the object store; without one, what goes to it fails. */
    readonly s3?: Omit<OpenLandingOptions['s3'], 'LONGSHORE_S3_PATH_STYLE'>;
    readonly upload?: Pick<OpenLandingOptions, 'partBytes' | 'stallMs'>;
  } = {},
): Promise<TestApi> {
  const [database, fauxqs] = await Promise.all([createTestDatabase(), startFauxqs()]);
  const config = {
    DATABASE_URL: database.url,
    DATABASE_POOL_MAX: 4,
    DATABASE_PREPARE: true,
    DATABASE_STATEMENT_TIMEOUT_MS: 60_000,
  };
  const sql = connectDatabase(config, 'test');
  const reads = connectReads(config, 'test-reads');
  const queues = await createQueues({ client: fauxqs.sqs, prefix: 'test' });
  const urlsOf = (kind: 'url' | 'deadLetterUrl') =>
    Object.fromEntries(QUEUE_IDS.map((queue) => [queue, queues[queue][kind]])) as Record<QueueId, string>;
  const queueUrls = urlsOf('url');
  const tenants = ['acme', 'globex'].map((id) => ({
    id,
    name: id,
    timeZone: 'UTC',
    homeRegion: null,
    ignoreGlobs: ['*.tmp'],
  }));
  await applyTenants(sql, tenants, 'test');
  const keyOf = async (tenantId: string | null) =>
    (await createApiKey(sql, { tenantId, label: tenantId ?? 'operator', actor: 'test' })).key;
  const keys = { operator: await keyOf(null), acme: await keyOf('acme'), globex: await keyOf('globex') };

  const logged: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  const registry = new Registry();
  const senders = createWakeUpSenders({ client: fauxqs.sqs, queueUrls, fairQueues: true, logger });
  const { s3 = NO_STORE, upload, ...others } = overrides;
  const landing = openLanding({
    s3: { ...s3, LONGSHORE_S3_PATH_STYLE: true },
    prefix: 'test',
    publicUrl: undefined,
    sql,
    senders,
    logger,
    ...upload,
  });
  const app = await buildApp({
    sql,
    reads,
    senders,
    landing,
    admissionWindow: ADMISSION_WINDOW,
    region: 'us-east-1',
    largeFileThresholdBytes: 524_288_000,
    bucketNames: bucketNames('test'),
    readDepths: (ids) => readQueueDepths(fauxqs.sqs, { main: queueUrls, dead: urlsOf('deadLetterUrl') }, ids),
    authenticate: createAuthenticator({ findKey: (key) => findApiKey(sql, key), cacheMs: 15_000 }),
    authenticateSession: createAuthenticator({ findKey: (token) => findSession(sql, token), cacheMs: 0 }),
    noteSessionUse: (id) => void noteSessionUse(sql, id),
    signIn: { hasLinks: true, consoleOrigin: undefined, portalOrigin: undefined },
    mailServer: undefined,
    logger,
    registry,
    actionApprovalOver: undefined,
    ratePerSecond: 10_000,
    strangerRatePerMinute: 10_000,
    streamsPerKey: 3,
    // A busy machine takes longer than callers should wait.
    answerMs: 115_000,
    definitionsMs: 110_000,
    streams: 5,
    trustedProxies: [],
    secrets: {
      read: async (name) => {
        throw unavailableSecret(`There is no secret ${name}.`);
      },
    },
    chat: { slack: undefined, teamsWebhooks: new Map() },
    linkSecret: undefined,
    transports: NO_MAIL,
    ...others,
  });
  await app.ready();
  return {
    app,
    sql,
    reads,
    fauxqs,
    registry,
    queueUrls,
    keys,
    logged,
    async stop() {
      await app.close();
      await landing.close();
      await Promise.all([sql.end({ timeout: 5 }), reads.$client.end({ timeout: 5 }), fauxqs.stop()]);
      await database.drop();
    },
  };
}
