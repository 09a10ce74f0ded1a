/** The API as its own process, with a database, queues and keys, for tests of what only a whole process can show. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { claimPorts, portsFrom } from '#local/ports.ts';
import { createApiKey } from '#shared/access/api-keys.ts';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { memoryFlags } from '#shared/runtime/config/memory.ts';
import { startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { withCompileCache } from '#testkit/servers/start-process.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';

export interface ApiProcess {
  readonly databaseUrl: string;
  /** Of the API; `http://127.0.0.1:<port>`. */
  readonly url: string;
  readonly port: number;
  /** Of health and metrics. */
  readonly operationsUrl: string;
  /** `acme` and `globex` are tenants. */
  readonly keys: Readonly<Record<'operator' | 'acme' | 'globex', string>>;
  readonly child: ChildProcess;
  /** Both streams so far. */
  output(): string;
  residentMb(): Promise<number>;
  /** Null while it runs. */
  exitCode(): number | null;
  stop(): Promise<void>;
}

const READY_MS = 120_000;

export async function startApiProcess(env: Readonly<Record<string, string>> = {}): Promise<ApiProcess> {
  const [database, fauxqs, claim] = await Promise.all([createTestDatabase(), startFauxqs(), claimPorts()]);
  const { api: port, 'control-api': operationsPort } = portsFrom(claim.base);
  await createQueues({ client: fauxqs.sqs, prefix: 'test' });
  const keys = await createKeys(database.url);
  const child = spawn(
    process.execPath,
    [...memoryFlags('control-api'), fileURLToPath(new URL('../../services/control-api/main.ts', import.meta.url))],
    {
      env: withCompileCache({
        ...fauxqs.env,
        DATABASE_URL: database.url,
        LONGSHORE_PREFIX: 'test',
        LONGSHORE_HTTP_HOST: '127.0.0.1',
        LONGSHORE_HTTP_PORT: String(operationsPort),
        LONGSHORE_API_PORT: String(port),
        ...env,
      }),
    },
  );
  const exited = once(child, 'exit');
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  const operationsUrl = `http://127.0.0.1:${operationsPort}`;
  await untilReady({ operationsUrl, child, output: () => output });
  return {
    databaseUrl: database.url,
    url: `http://127.0.0.1:${port}`,
    port,
    operationsUrl,
    keys,
    child,
    output: () => output,
    residentMb: async () =>
      Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1_024,
    exitCode: () => child.exitCode,
    async stop() {
      child.kill('SIGTERM');
      await exited;
      await claim.release();
      await fauxqs.stop();
      await database.drop();
    },
  };
}

async function createKeys(databaseUrl: string): Promise<ApiProcess['keys']> {
  const sql = connectDatabase(
    { DATABASE_URL: databaseUrl, DATABASE_POOL_MAX: 1, DATABASE_PREPARE: true, DATABASE_STATEMENT_TIMEOUT_MS: 60_000 },
    'test',
  );
  const tenants = ['acme', 'globex'].map((id) => ({
    id,
    name: id,
    timeZone: 'UTC',
    homeRegion: null,
    ignoreGlobs: [],
  }));
  await applyTenants(sql, tenants, 'test');
  const keyOf = async (tenantId: string | null) =>
    (await createApiKey(sql, { tenantId, label: tenantId ?? 'operator', actor: 'test' })).key;
  const keys = { operator: await keyOf(null), acme: await keyOf('acme'), globex: await keyOf('globex') };
  await sql.end();
  return keys;
}

async function untilReady(api: { operationsUrl: string; child: ChildProcess; output: () => string }): Promise<void> {
  const until = performance.now() + READY_MS;
  let health = 'no answer';
  for (;;) {
    const isReady = await fetch(`${api.operationsUrl}/readyz`).then(
      async (reply) => {
        health = `${reply.status} ${await reply.text()}`;
        return reply.ok;
      },
      () => false,
    );
    if (isReady) return;
    if (api.child.exitCode !== null || api.child.signalCode !== null)
      throw new Error(`The API ended before it was ready: ${api.output()}`);
    if (performance.now() > until) throw new Error(`The API did not become ready: ${health}\n${api.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
