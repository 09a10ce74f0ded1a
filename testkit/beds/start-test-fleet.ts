/**
 * The whole fleet for one test file: in its own home that goes with it, on free ports, with short leases, and with clients
 * for everything that a test looks at or breaks.
 *
 * Tenants and routes go the way an operator's do: through the control API.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { PARTNER_PROCESSES, type ServiceName } from '#local/launcher/processes.ts';
import { type Stack, type StartStackOptions, startStack } from '#local/stack.ts';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createSnsClient } from '#shared/queue/topics.ts';
import { type BucketId, bucketName, QUEUE_IDS, type QueueId } from '#shared/runtime/config/resource-names.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { landingEvent } from '#testkit/seeds/landing-event.ts';
import { sendBodies } from '#testkit/seeds/send-bodies.ts';
import { type NoticeInbox, openNoticeInbox } from '#testkit/servers/notice-inbox.ts';
import { findOutsideServers } from '#testkit/servers/outside-servers.ts';
import { connectSftp, type SftpClient } from '#testkit/servers/sftp-client.ts';
import { connectSimulatedPartner, type SimulatedPartner } from '#testkit/servers/simulated-partner.ts';
import { withCompileCache } from '#testkit/servers/start-process.ts';
import { startOutsideStack } from './start-outside-stack.ts';

export interface StartTestFleetOptions {
  readonly tenants: readonly string[];
  /** A route file, applied before the fleet is given out; made when it is up where it names the fleet's own partner. */
  readonly routes: string | ((stack: Stack) => string);
  /** All when absent. */
  readonly services?: readonly ServiceName[];
  /** Over the variables that every test fleet has. */
  readonly env?: StartStackOptions['env'];
  /** Runs when S3 and the services are up. */
  readonly beforeReady?: (stack: Stack) => Promise<void>;
  /** Whatever the test run was given when absent, of which only vitest knows. */
  readonly servers?: 'embedded';
}

export interface ApiReply {
  readonly status: number;
  // The bodies' shapes are the API's own tests' concern.
  readonly body: Record<string, unknown>;
}

export interface TestFleet {
  readonly home: string;
  readonly stack: Stack;
  readonly sql: Sql;
  readonly s3: S3Client;
  readonly store: ObjectStore;
  readonly sqs: SQSClient;
  readonly notices: NoticeInbox;
  readonly partner: SimulatedPartner;
  readonly queueUrls: Readonly<Record<QueueId, { readonly main: string; readonly deadLetters: string }>>;
  bucket(id: BucketId): string;
  /** As an operator, or as a tenant when one is named. */
  api(path: string, options?: { method?: string; body?: unknown; yaml?: string; tenant?: string }): Promise<ApiReply>;
  /** @throws when a fault is listed. */
  applyRoutes(yaml: string): Promise<void>;
  sftp(tenant: string): Promise<SftpClient>;
  /** Straight into the landing bucket; resolves to the version id. */
  put(key: string, body: Uint8Array | string): Promise<string>;
  /** `kill -9`, and waits until the supervisor has it up again. */
  killAndAwaitRestart(name: string): Promise<void>;
  /** Until that many files are terminal, and none is in progress; those of one tenant where it is named. */
  untilAllEnded(count: number, timeoutMs: number, tenant?: string): Promise<void>;
  waitUntil<Value>(
    what: string,
    look: () => Promise<Value | undefined | false> | Value | undefined | false,
    timeoutMs: number,
  ): Promise<Value>;
  /** Counts of all states, and the last warnings of every service. */
  describe(): Promise<string>;
  stop(): Promise<void>;
}

/** Short clocks: a test does not wait out the times that suit a real fleet. */
const SHORT_CLOCKS = {
  LONGSHORE_LEASE_MS: '5000',
  LONGSHORE_SWEEP_COUNT_MS: '1000',
  LONGSHORE_SWEEP_GRACE_MS: '2000',
  LONGSHORE_SWEEP_BOUND_MS: '10000',
};
const RESTART_TIMEOUT_MS = 120_000;
const LOG_LINES_SHOWN = 8;

export async function startTestFleet(options: StartTestFleetOptions): Promise<TestFleet> {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-e2e-'));
  const home = join(directory, 'home');
  const outside = options.servers === 'embedded' ? undefined : findOutsideServers();
  const start = (parts: StartStackOptions) =>
    outside === undefined ? startStack(parts) : startOutsideStack(parts, outside);
  let stack: Stack;
  try {
    stack = await start({
      home,
      portBase: 'free',
      isDisposable: true,
      tenants: options.tenants.map((id) => ({ id })),
      ...(options.services !== undefined && { services: options.services }),
      env: { ...options.env, all: { ...withCompileCache({}), ...SHORT_CLOCKS, ...options.env?.all } },
      ...(options.beforeReady !== undefined && { beforeReady: options.beforeReady }),
    });
  } catch (error) {
    const logs = await describeLogs(join(home, 'logs'));
    await rm(directory, { recursive: true, force: true });
    throw new Error(`the fleet did not start\n${logs}`, { cause: error });
  }
  const removeHome = () => rm(directory, { recursive: true, force: true });
  const fleet = await connectFleet({ home, stack, isOutside: outside !== undefined, removeHome });
  try {
    const { routes } = options;
    await fleet.applyRoutes(typeof routes === 'string' ? routes : routes(stack));
  } catch (error) {
    await fleet.stop();
    throw error;
  }
  return fleet;
}

async function connectFleet(parts: {
  home: string;
  stack: Stack;
  /** On servers that send no event of what is put into landing. */
  isOutside: boolean;
  removeHome: () => Promise<void>;
}): Promise<TestFleet> {
  const { home, stack } = parts;
  const { endpoints, env } = stack;
  const prefix = env.LONGSHORE_PREFIX ?? '';
  const credentials = { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' };
  const aws = { region: env.AWS_REGION ?? '', credentials };
  // Guarantees are checked over whole tables, after an hour's soak too.
  const sql = connectDatabase(
    {
      DATABASE_URL: endpoints.postgres,
      DATABASE_POOL_MAX: 1,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 120_000,
    },
    'longshore-test',
  );
  const s3 = createS3Client({ LONGSHORE_S3_PATH_STYLE: true, endpoint: endpoints.s3, ...aws });
  const sqs = createSqsClient({ endpoint: endpoints.sqs, ...aws });
  const sns = createSnsClient({ endpoint: endpoints.sns, ...aws });
  // Topics reach only the queues of their own server, which an outside SQS server is not.
  const noticesSqs = createSqsClient({ endpoint: endpoints.sns, ...aws });
  const notices = await openNoticeInbox({ sqs: noticesSqs, sns, prefix });
  const queues = await createQueues({ client: sqs, prefix });
  const bucket = (id: BucketId) => bucketName(prefix, id);
  const clients = new Set<SftpClient>();

  async function api(path: string, call: Parameters<TestFleet['api']>[1] = {}): Promise<ApiReply> {
    const { method = 'GET', body, yaml, tenant } = call;
    const keyFile = tenant === undefined ? endpoints.operatorKeyFile : endpoints.tenants[tenant]!.apiKeyFile;
    const text = yaml ?? (body === undefined ? undefined : JSON.stringify(body));
    const reply = await fetch(new URL(path, endpoints.api), {
      method,
      headers: {
        'x-api-key': (await readFile(keyFile, 'utf8')).trim(),
        ...(text !== undefined && { 'content-type': yaml === undefined ? 'application/json' : 'application/yaml' }),
      },
      ...(text !== undefined && { body: text }),
      signal: AbortSignal.timeout(30_000),
    });
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
  }

  const fleet: TestFleet = {
    home,
    stack,
    sql,
    s3,
    store: createObjectStore({ client: s3 }),
    sqs,
    notices,
    partner: connectSimulatedPartner(endpoints.partnerSimulator),
    queueUrls: Object.fromEntries(
      QUEUE_IDS.map((id) => [id, { main: queues[id].url, deadLetters: queues[id].deadLetterUrl }]),
    ) as TestFleet['queueUrls'],
    bucket,
    api,
    async applyRoutes(yaml) {
      const { status, body } = await api('/api/v1/routes', { method: 'POST', yaml });
      if (status !== 200) throw new Error(`the routes were refused: ${JSON.stringify(body)}`);
    },
    async sftp(tenant) {
      const client = await connectSftp(endpoints.sftp, endpoints.tenants[tenant]!);
      clients.add(client);
      return client;
    },
    async put(key, body) {
      const { VersionId = '' } = await s3.send(
        new PutObjectCommand({ Bucket: bucket('landing'), Key: key, Body: body }),
      );
      if (parts.isOutside) {
        const event = landingEvent({ bucket: bucket('landing'), key, versionId: VersionId, body: Buffer.from(body) });
        await sendBodies(sqs, queues.landing.url, [JSON.stringify(event)]);
      }
      return VersionId;
    },
    async killAndAwaitRestart(name) {
      const child = stack.processes[name];
      const before = child?.pid;
      if (child === undefined || before === undefined) throw new Error(`${name} does not run`);
      child.kill('SIGKILL');
      const isUpAgain = () => child.pid !== undefined && child.pid !== before;
      await fleet.waitUntil(`${name} runs again after kill -9`, isUpAgain, RESTART_TIMEOUT_MS);
    },
    async untilAllEnded(count, timeoutMs, tenant) {
      await fleet.waitUntil(
        `${count} files have ended`,
        async () => {
          const [row] = await sql<{ ended: number; open: number }[]>`
            SELECT count(*) FILTER (WHERE status IN ('COMPLETED', 'FAILED', 'QUARANTINED', 'COMPANION', 'ELSEWHERE'))::int AS ended,
              count(*) FILTER (WHERE status NOT IN ('COMPLETED', 'FAILED', 'QUARANTINED', 'COMPANION', 'ELSEWHERE'))::int AS open
            FROM files ${tenant === undefined ? sql`` : sql`WHERE tenant_id = ${tenant}`}`;
          return row !== undefined && row.open === 0 && row.ended >= count;
        },
        timeoutMs,
      );
    },
    waitUntil: (what, look, timeoutMs) => waitUntil(what, look, { timeoutMs, explain: fleet.describe }),
    describe: async () => `${await describeState(fleet)}\n${await describeLogs(join(home, 'logs'))}`,
    async stop() {
      for (const client of clients) client.close();
      await sql.end({ timeout: 1 });
      for (const client of [s3, sqs, sns, noticesSqs]) client.destroy();
      await stack.stop();
      await parts.removeHome();
    },
  };
  return fleet;
}

export function serviceNames(stack: Stack): ServiceName[] {
  const parts = new Set(['postgres', 's3', 'queues', 'event-bridge', 'sftp', ...PARTNER_PROCESSES]);
  return Object.keys(stack.processes).filter((name) => !parts.has(name)) as ServiceName[];
}

async function describeState({ sql, stack }: TestFleet): Promise<string> {
  const [files, jobs, letters, open, records, chunks] = await Promise.all([
    sql`SELECT status, error_cause, count(*)::int FROM files GROUP BY 1, 2`,
    sql`SELECT state, queue, step_kind, error_cause, wait_reason, woken_at IS NOT NULL AS woken, count(*)::int
      FROM jobs GROUP BY 1, 2, 3, 4, 5, 6`,
    sql`SELECT queue, state, left(reason, 100) AS reason, count(*)::int FROM dead_letters GROUP BY 1, 2, 3`,
    sql`SELECT id, key, status, open_jobs, woken_at, wakes, next_action_at, lease_until, now() FROM files
      WHERE status NOT IN ('COMPLETED', 'FAILED', 'QUARANTINED', 'COMPANION', 'ELSEWHERE') ORDER BY created_at LIMIT 5`,
    sql`SELECT state, step, error_cause, next_attempt_at IS NOT NULL AS later, count(*)::int, min(error_message) AS message
      FROM records GROUP BY 1, 2, 3, 4`,
    sql`SELECT woken_at IS NOT NULL AS woken, lease_until > now() AS leased, next_action_at > now() AS waits, count(*)::int
      FROM record_chunks GROUP BY 1, 2, 3`,
  ]);
  const restarts = Object.entries(stack.processes).map(([name, child]) => [name, child.restarts]);
  return [
    ['files', files],
    ['jobs', jobs],
    ['dead letters', letters],
    ['open files', open],
    ['records', records],
    ['chunks', chunks],
    ['restarts', Object.fromEntries(restarts)],
  ]
    .map(([name, rows]) => `${name}: ${JSON.stringify(rows)}`)
    .join('\n');
}

async function describeLogs(directory: string): Promise<string> {
  const names = await readdir(directory).catch(() => []);
  const tails = names.map(async (name) => {
    const lines = (await readFile(join(directory, name), 'utf8')).trim().split('\n');
    const unusual = lines.filter((line) => !line.includes('"level":"info"'));
    return unusual.slice(-LOG_LINES_SHOWN).map((line) => `${name}: ${line.slice(0, 600)}`);
  });
  return (await Promise.all(tails)).flat().join('\n');
}
