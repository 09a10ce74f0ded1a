/** The world of pulls: a database, a store, a partner's server and the engines, in this process. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { type SourceDocument, sourceDocumentSchema } from '#shared/definitions/source-schema.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { wakeSources } from '#shared/pulls/source-transitions.ts';
import { wakePulls } from '#shared/pulls/wake-pulls.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import type { PartnerFileServer } from '#testkit/servers/partner-file-servers.ts';
import { startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { startProcess, type TestProcess, withCompileCache } from '#testkit/servers/start-process.ts';
import { type S3FaultProxy, startS3FaultProxy } from '#testkit/servers/start-s3-fault-proxy.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';
import { connectTestDatabase, neverStops } from './job-runner.ts';
import {
  channelOf,
  createPullClient,
  createPullWorker,
  LANDING,
  PART_BYTES,
  type PullProcess,
  type PullWorker,
} from './pull-process.ts';

/** As of the workers that are killed. */
const PROCESS = new URL('pull-process.ts', import.meta.url).pathname;

export interface PullBed {
  readonly sql: Sql;
  readonly store: ObjectStore;
  readonly proxy: S3FaultProxy;
  readonly databaseUrl: string;
  /** Everything that was logged. */
  readonly logged: string[];
  /** Nothing of the test before is left. */
  clear(): Promise<void>;
  /** As the remote `partner` of the tenant acme. */
  useServer(
    server: Pick<PartnerFileServer, 'remote' | 'secrets'>,
    change?: Readonly<Record<string, unknown>>,
  ): Promise<void>;
  setSecret(name: string, text: string): void;
  applySource(fields?: Readonly<Record<string, unknown>>): Promise<SourceDocument>;
  startWorker(options?: { readonly leaseMs?: number }): PullWorker;
  /** The same in its own process, which handles what `sendTo` gives it, once it has printed `ready`; prints `handled <id>` then. */
  startWorkerProcess(): TestProcess;
  sendTo(worker: TestProcess, id: string): Promise<void>;
  /** As an operator's SQL would. */
  trigger(remotePath: string, fields?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Wakes and runs everything that is due, until nothing is. */
  settle(worker: PullWorker): Promise<void>;
  /** What waits is due now. */
  makeDue(): Promise<void>;
  read(id: string): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

export async function startPullBed(): Promise<PullBed> {
  const database = await createTestDatabase();
  const sql = connectTestDatabase(database.url);
  const s3 = await startTestServer({ smallestPartBytes: PART_BYTES });
  s3.server.createBucket(LANDING);
  const proxy = await startS3FaultProxy(s3.server.url);
  const { accessKeyId, secretAccessKey } = TEST_CREDENTIAL;
  const client = createPullClient(proxy.url, { accessKeyId, secretAccessKey });
  const secrets = new Map<string, string>();
  const logged: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  const workers = new Set<PullWorker>();

  const bed: PullBed = {
    ...{ sql, proxy, logged, databaseUrl: database.url, store: createObjectStore({ client: s3.client }) },
    async clear() {
      for (const worker of workers) await worker.stop();
      await emptyTables(sql, 'tenants', 'remote_connections', 'audit_events', 'outbox', 'transfers', 'transfer_parts');
      await applyTenants(
        sql,
        [{ id: 'acme', name: 'Acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] }],
        'test',
      );
      proxy.spoil(() => undefined);
      proxy.onAnswered(undefined);
      logged.length = 0;
    },
    async useServer(server, change = {}) {
      for (const [name, text] of Object.entries(server.secrets)) secrets.set(`acme/${name}`, text);
      const definition = { ...server.remote, ...change };
      await applyDefinition(
        sql,
        'remote',
        { tenantId: 'acme', name: 'partner', definition, definitionHash: randomUUID() },
        'test',
      );
    },
    setSecret: (name, text) => void secrets.set(`acme/${name}`, text),
    async applySource(fields = {}) {
      const definition = sourceDocumentSchema.parse({
        ...{ kind: 'source', tenant: 'acme', name: 'in', remote: 'partner', directory: '/in', project: 'P-1' },
        ready: { stable: 0 },
        ...fields,
      });
      await applyDefinition(
        sql,
        'source',
        { tenantId: 'acme', name: 'in', definition, definitionHash: randomUUID() },
        'test',
      );
      return definition;
    },
    startWorker({ leaseMs = 30_000 } = {}) {
      const made = createPullWorker({ sql, client, logger, leaseMs, read: (name) => secrets.get(name) });
      const worker: PullWorker = {
        ...made,
        async stop() {
          workers.delete(worker);
          await made.stop();
        },
      };
      workers.add(worker);
      return worker;
    },
    startWorkerProcess() {
      const place: PullProcess = {
        ...{
          databaseUrl: database.url,
          s3Url: proxy.url,
          credentials: { accessKeyId, secretAccessKey },
          leaseMs: 30_000,
        },
        secrets: Object.fromEntries(secrets),
      };
      return startProcess([PROCESS, JSON.stringify(place)], { env: withCompileCache(process.env) });
    },
    async trigger(remotePath, fields = {}) {
      const [row] = await sql<{ id: string }[]>`
        INSERT INTO pulls ${sql({ tenant_id: 'acme', project: 'P-1', pipeline: 'ODS', remote: 'partner', remote_path: remotePath, status: 'TRIGGERED', ...fields })}
        RETURNING id`;
      return row?.id ?? '';
    },
    async sendTo({ pid }, id) {
      await sql`SELECT pg_notify(${channelOf(pid)}, ${id})`;
    },
    async settle({ runner, lister }) {
      for (let rounds = 0; rounds < 50; rounds += 1) {
        const sources = await wakeSources(sql, { limit: 100, boundMs: 60_000 });
        for (const { id, tenantId } of sources) await lister.handle({ tenantId, name: id }, neverStops);
        const pulls = await wakePulls(sql, { limit: 100, boundMs: 60_000 });
        await Promise.all(pulls.map(({ id }) => runner.handle(id, neverStops)));
        if (sources.length + pulls.length === 0) return;
      }
      throw new Error('the pulls do not come to rest');
    },
    async makeDue() {
      await sql`UPDATE pulls SET next_action_at = now() - interval '1 second', woken_at = NULL WHERE next_action_at IS NOT NULL`;
      await sql`UPDATE pulls SET lease_until = now() - interval '1 second', woken_at = NULL WHERE lease_until IS NOT NULL`;
      await sql`UPDATE sources SET next_action_at = now() - interval '1 second', woken_at = NULL, lease_until = NULL WHERE removed_at IS NULL`;
      await sql`UPDATE remote_connections SET lease_until = now() - interval '1 second'`;
    },
    async read(id) {
      const [row] = await sql`SELECT * FROM pulls WHERE id = ${id}`;
      return row ?? {};
    },
    async stop() {
      for (const worker of workers) await worker.stop();
      client.destroy();
      await proxy.stop();
      await s3.stop();
      await sql.end({ timeout: 5 });
      await database.drop();
    },
  };
  return bed;
}

export async function putAtPartner(
  server: PartnerFileServer,
  name: string,
  content: Uint8Array | string,
): Promise<string> {
  await writeFile(join(server.onDisk, name), content);
  return `${server.directory}${name}`;
}
