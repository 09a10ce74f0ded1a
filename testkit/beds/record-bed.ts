/** For tests of the engine of records: a real database, a partner over HTTP that does as the test says, and runners side by side. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import type { DueRow } from '#shared/jobs/wake-up-senders.ts';
import { createPartnerDirectory } from '#shared/partners/partner-directory.ts';
import type { WokenChunk } from '#shared/records/open-records.ts';
import { createRecordMetrics } from '#shared/records/record-metrics.ts';
import { createRecordRunner, type RecordRunner } from '#shared/records/run-records.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { NO_TRACING, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import { createJobMetrics } from '#shared/worker/job-metrics.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { type SeededRecords, seedRecords } from '#testkit/seeds/seed-records.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';
import { connectTestDatabase, neverStops } from './job-runner.ts';

export interface SeenCall {
  /** `validate`, `assign`, `verify`, `redeem`. */
  readonly operation: string;
  readonly line: number;
  /** As it came. */
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What the partner does with a call; a good reply when it says nothing. */
export type Play = (call: SeenCall, response: ServerResponse) => unknown;

export interface TestRecordRunner extends RecordRunner {
  readonly sent: { chunks: WokenChunk[]; jobs: DueRow[] };
  readonly registry: Registry;
  /** Handles these chunks and those that they let in, until none is left. */
  run(chunks: readonly WokenChunk[]): Promise<void>;
  /** Makes what is known of partners old. */
  forget(): void;
}

export interface RunnerOptions {
  readonly slots?: number;
  readonly leaseMs?: number;
  readonly tracing?: Tracing;
  readonly secrets?: SecretStore;
  /** In place of the bed's own, e.g. through a proxy. */
  readonly sql?: Sql;
}

/** To the definition of the bed's partner; with another name they make another one. */
type PartnerChanges = Readonly<Record<string, unknown>> & { readonly name?: string };

export async function startRecordBed() {
  const database = await createTestDatabase();
  const sql = connectTestDatabase(database.url);
  const partner = await startPartner();
  const runners: TestRecordRunner[] = [];
  return {
    sql,
    databaseUrl: database.url,
    partner,
    async reset(): Promise<void> {
      partner.reset();
      await emptyTables(
        sql,
        'tenants',
        'job_steps',
        'attempts',
        'audit_events',
        'outbox',
        'records',
        'record_chunks',
        'record_attempts',
        'record_keys',
      );
      await seedTenant(sql);
    },
    /** `partners`: changes to the definition of each, by name. */
    async seed(options: {
      records: number;
      calls?: readonly string[];
      partner?: PartnerChanges | null;
      retry?: object;
      window?: number;
    }): Promise<SeededRecords> {
      const { records, calls = ['validate', 'assign', 'verify'], retry = {}, window = 100 } = options;
      if (options.partner !== null) await applyTestPartner(sql, partner.url, options.partner);
      const seeded = await seedRecords(sql, { records, window });
      const definition = {
        kind: 'route',
        tenant: 'acme',
        name: 'route-0',
        match: { path: ['**'] },
        retry: { firstDelay: '1h', maxDelay: '1h', jitter: 'none', ...retry },
        records: { format: 'csv', columns: [{ name: 'id' }] },
        steps: [
          { parse: {} },
          ...calls.map((operation) => ({
            call: { partner: 'globex', operation, code: `${operation.toUpperCase().replaceAll('-', '_')}_ERROR` },
          })),
        ],
      };
      await sql`UPDATE route_versions SET definition = ${sql.json(definition as never)}`;
      return seeded;
    },
    applyPartner: (changes: PartnerChanges = {}) => applyTestPartner(sql, partner.url, changes),
    startRunner(options: RunnerOptions = {}): TestRecordRunner {
      const runner = createTestRecordRunner({ sql, ...options });
      runners.push(runner);
      return runner;
    },
    async endRunners(): Promise<void> {
      partner.letGo();
      for (const runner of runners.splice(0)) await runner.stop();
    },
    async stop(): Promise<void> {
      await sql.end({ timeout: 5 });
      await Promise.all([database.drop(), partner.stop()]);
    },
  };
}

const noSecrets: SecretStore = { read: () => Promise.reject(new Error('no secret is named here')) };

function createTestRecordRunner({
  sql,
  slots = 32,
  leaseMs = 30_000,
  tracing = NO_TRACING,
  secrets = noSecrets,
}: RunnerOptions & { readonly sql: Sql }): TestRecordRunner {
  const sent: TestRecordRunner['sent'] = { chunks: [], jobs: [] };
  const registry = new Registry();
  const logger = pino({ level: 'silent' });
  let later = 0;
  const partners = createPartnerDirectory({
    sql,
    secrets,
    addressGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    logger,
    now: () => performance.now() + later,
  });
  const runner = createRecordRunner({
    sql,
    partners,
    slots,
    worker: 'test/1',
    service: 'partner-worker',
    leaseMs,
    wakeUps: {
      sendChunks: async (chunks) => sent.chunks.push(...(chunks as WokenChunk[])),
      sendJobs: async (jobs) => sent.jobs.push(...jobs),
    },
    metrics: createRecordMetrics(registry),
    jobMetrics: createJobMetrics(registry),
    tracing,
    logger,
  });
  runner.start();
  return {
    ...runner,
    sent,
    registry,
    async run(chunks) {
      let due = [...chunks];
      while (due.length > 0) {
        await Promise.all(due.map(({ id }) => runner.handle(id, neverStops)));
        due = sent.chunks.splice(0);
      }
    },
    forget() {
      later += 60_000;
    },
  };
}

async function applyTestPartner(sql: Sql, baseUrl: string, changes: PartnerChanges = {}): Promise<void> {
  const check = (path: string) => ({ method: 'POST', path, idempotent: true, output: { reference: 'reference' } });
  const definition = {
    kind: 'partner',
    tenant: 'acme',
    name: 'globex',
    baseUrl,
    // On busy cores a call to the same process may take long.
    timeout: '60s',
    operations: {
      validate: {
        ...check('/validate'),
        body: { line: '{{ record.id }}' },
        judge: [
          { when: { status: 200 }, is: 'success' },
          { when: { status: 422 }, is: 'business-failure', codeFrom: 'code' },
          { when: { status: 409 }, is: 'business-failure', final: true, codeFrom: 'code' },
        ],
      },
      assign: { ...check('/assign'), body: { line: '{{ record.id }}', after: '{{ replies.validate.reference }}' } },
      verify: { ...check('/verify'), body: { line: '{{ record.id }}' }, referenceFrom: 'reference' },
      redeem: { method: 'POST', path: '/redeem', idempotent: false, body: { line: '{{ record.id }}' } },
      'redeem-keyed': {
        method: 'POST',
        path: '/redeem-keyed',
        idempotent: false,
        idempotencyHeader: 'idempotency-key',
        body: { line: '{{ record.id }}' },
      },
    },
    ...changes,
  };
  await applyDefinition(
    sql,
    'partner',
    { tenantId: 'acme', name: definition.name, definition, definitionHash: randomUUID() },
    'test',
  );
}

async function startPartner() {
  const calls: SeenCall[] = [];
  const waiting: (() => void)[] = [];
  let play: Play = () => undefined;
  let under = 0;
  let most = 0;
  const server = createServer(async (request, response) => {
    under += 1;
    most = Math.max(most, under);
    response.once('close', () => {
      under -= 1;
    });
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body = JSON.parse(text) as Record<string, unknown>;
    const operation = (request.url ?? '').slice(1);
    const call = { operation, line: Number(body.line), body, text, headers: request.headers };
    calls.push(call);
    await play(call, response);
    if (response.writableEnded || response.destroyed) return;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ reference: `${operation}-${call.line}` }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    callsOf: (line: number) => calls.filter((call) => call.line === line).map(({ operation }) => operation),
    plays(next: Play) {
      play = next;
    },
    /** For `plays`: a call that stays without its reply until `letGo`. */
    hold: (): Promise<void> => new Promise((resolve) => waiting.push(resolve)),
    letGo(): void {
      for (const resolve of waiting.splice(0)) resolve();
    },
    get mostAtOnce() {
      return most;
    },
    reset(): void {
      calls.length = 0;
      most = 0;
      play = () => undefined;
    },
    async stop(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
