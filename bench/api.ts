/**
 * `npm run bench -- api`: what the reads of the API take with many files in the tables, and `/status` at a steady rate.
 *
 * 1. The API is the process that `npm start` runs, in a home that is thrown away; files, jobs and audit are put into the tables by SQL.
 * 2. Reads are asked one after another by an operator, who sees every tenant. `/status` is asked by its own process with twenty keys that
 *    were used before.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Stack, startStack } from '#local/stack.ts';
import { createApiKey } from '#shared/access/api-keys.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { connectForBench } from './connect-for-bench.ts';
import { insertFilesWithoutHistory, insertFinishedFiles } from './finished-files.ts';
import { type Percentiles, percentiles } from './percentiles.ts';
import { cpuMs } from './read-metrics.ts';
import type { StatusAnswered, StatusWork } from './status-client-process.ts';

export interface ApiBenchOptions {
  readonly files: number;
  /** Of the files; the others have their job alone, as the history of ten million takes a hundred gigabytes. */
  readonly history: number;
  readonly samples: number;
  readonly rate: number;
  readonly seconds: number;
  readonly json: boolean;
}

interface ApiResult {
  readonly files: number;
  /** Until they were in the tables, with their indexes. */
  readonly seedSeconds: number;
  /** Of the machine, the minute before `/status` was done. */
  readonly load: number;
  readonly reads: Readonly<Record<string, Percentiles & { readonly wanted?: number }>>;
  readonly status: Percentiles & {
    readonly perSecond: number;
    readonly failures: number;
    /** The slowest answer of the first seconds, which are not counted. */
    readonly slowestFirst: number;
    /** Of the client too: it works on the same cores. */
    readonly cpuMsPerRequest: Readonly<Record<'api' | 'postgres' | 'client', number>>;
  };
}

const TENANT = 'bench';
const ROUTE = `kind: route\ntenant: ${TENANT}\nname: bench\nmatch: { path: '**' }\nsteps:\n  - validate:\n  - deliver:\n  - confirm:\n`;
/** Each key has its own allowance. */
const STATUS_KEYS = 20;
/** That `/status` is asked for. */
const STATUS_FILES = 1_000;
/** Milliseconds, p95; of `/status` p99. */
const WANTED: Readonly<Record<string, number>> = {
  'first page': 100,
  'any cursor': 100,
  'rare status': 100,
  'count, capped': 150,
  status: 50,
};

export async function runApiBench(options: ApiBenchOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  try {
    const stack = await startStack({ home, portBase: 'free', services: ['control-api'], isDisposable: true });
    try {
      const result = await measure(stack, options);
      console.log(options.json ? JSON.stringify(result) : describe(result));
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function measure(stack: Stack, options: ApiBenchOptions): Promise<ApiResult> {
  const sql = connectForBench(stack.env.DATABASE_URL);
  try {
    const begunMs = performance.now();
    await applyTenantDocuments(sql, TENANT, ROUTE);
    const withHistory = Math.min(options.files, options.history);
    await insertFinishedFiles(sql, TENANT, withHistory);
    const historySeconds = Math.round((performance.now() - begunMs) / 1_000);
    // Those whose timeline is asked for; next to them the tables of files and jobs grow on.
    const histories = await pickFiles(sql, options.samples);
    await insertFilesWithoutHistory(sql, TENANT, { from: withHistory + 1, to: options.files });
    const seedSeconds = Math.round((performance.now() - begunMs) / 1_000);
    if (!options.json)
      console.log(
        `${options.files} files are in the tables after ${seedSeconds} s, of which ${historySeconds} for ${withHistory} with their history`,
      );
    const key = (await readFile(stack.endpoints.operatorKeyFile, 'utf8')).trim();
    const ask = async (path: string): Promise<unknown> => {
      const reply = await fetch(new URL(path, stack.endpoints.api), { headers: { 'x-api-key': key } });
      const body = await reply.json();
      if (!reply.ok) throw new Error(`${path}: ${reply.status} ${JSON.stringify(body)}`);
      return body;
    };
    const ids = await pickFiles(sql, options.samples);
    const reads: Record<string, Percentiles & { readonly wanted?: number }> = {};
    for (const [name, pathOf] of await questions(ask, ids, histories)) {
      const took: number[] = [];
      for (let index = 0; index < options.samples; index += 1) {
        const begun = performance.now();
        await ask(pathOf(index));
        took.push(performance.now() - begun);
        // Within the key's allowance.
        await sleep(15);
      }
      const wanted = WANTED[name];
      reads[name] = { ...percentiles(took), ...(wanted !== undefined && { wanted }) };
      if (!options.json) console.log(describeRead(name, reads[name]));
    }
    const status = await askStatus(stack, sql, await pickFiles(sql, STATUS_FILES), options);
    return { files: options.files, seedSeconds, load: loadavg()[0] ?? Number.NaN, reads, status };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

interface PickedFile {
  readonly id: string;
  readonly name: string;
  readonly cursor: string;
}

/** From all over the table. */
async function pickFiles(sql: Sql, count: number): Promise<PickedFile[]> {
  const rows = await sql<{ id: string; name: string; at: string }[]>`
    SELECT id, name, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
    FROM files TABLESAMPLE SYSTEM (10) WHERE tenant_id = ${TENANT} ORDER BY random() LIMIT ${count}`;
  if (rows.length === 0) throw new Error('the sample of the files is empty; ask for more files');
  return rows.map(({ id, name, at }) => ({
    id,
    name,
    cursor: Buffer.from(JSON.stringify([at, id])).toString('base64url'),
  }));
}

type Question = readonly [name: string, pathOf: (index: number) => string];

async function questions(
  ask: (path: string) => Promise<unknown>,
  files: readonly PickedFile[],
  withHistory: readonly PickedFile[],
): Promise<Question[]> {
  const file = (index: number) => files[index % files.length]!;
  await ask('/api/v1/files');
  return [
    ['first page', () => '/api/v1/files?limit=100'],
    ['first page of a tenant', () => `/api/v1/files?limit=100&tenant=${TENANT}`],
    ['any cursor', (index) => `/api/v1/files?limit=100&cursor=${file(index).cursor}`],
    ['rare status', () => '/api/v1/files?limit=100&status=failed,quarantined'],
    ['count, capped', () => '/api/v1/files/count?status=completed'],
    ['count, rare', () => '/api/v1/files/count?status=failed'],
    ['search, name', (index) => `/api/v1/search?q=${file(index).name}`],
    ['search, id', (index) => `/api/v1/search?q=${file(index).id}`],
    ['search, path', (index) => `/api/v1/search?q=${TENANT}/old/${index + 1}`],
    ['timeline', (index) => `/api/v1/files/${withHistory[index % withHistory.length]!.id}/timeline`],
    ['overview', () => '/api/v1/overview'],
  ];
}

async function askStatus(
  stack: Stack,
  sql: Sql,
  files: readonly PickedFile[],
  { rate, seconds }: ApiBenchOptions,
): Promise<ApiResult['status']> {
  const made = Array.from({ length: STATUS_KEYS }, (_, index) =>
    createApiKey(sql, { tenantId: null, label: `bench-${index}`, actor: 'bench' }),
  );
  const keys = (await Promise.all(made)).map(({ key }) => key);
  for (const key of keys)
    await (await fetch(new URL('/api/v1/me', stack.endpoints.api), { headers: { 'x-api-key': key } })).arrayBuffer();
  const work: StatusWork = {
    api: new URL(stack.endpoints.api).origin,
    keys,
    fileIds: files.map(({ id }) => id),
    rate,
    seconds,
  };
  const cpuNow = async () => ({
    api: await cpuMs(stack.processes['control-api']?.pid ?? 0),
    postgres: await cpuMs(stack.processes.postgres?.pid ?? 0),
  });
  const before = await cpuNow();
  const program = fileURLToPath(new URL('status-client-process.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(work)], {
    timeout: (seconds + 60) * 1_000,
  });
  const after = await cpuNow();
  const { cpuMs: ofClient, asked, ...answered } = JSON.parse(stdout) as StatusAnswered;
  const perRequest = (ms: number) => ms / asked;
  return {
    ...answered,
    cpuMsPerRequest: {
      api: perRequest(after.api - before.api),
      postgres: perRequest(after.postgres - before.postgres),
      client: perRequest(ofClient),
    },
  };
}

function describeRead(name: string, { wanted, ...took }: Percentiles & { readonly wanted?: number }): string {
  return line(name, took, wanted === undefined ? '' : ` (p95 wanted: ${wanted} or less)`);
}

function line(name: string, { p50, p95, p99 }: Percentiles, wanted: string): string {
  return `${name.padEnd(24)} p50 ${p50.toFixed(1)}  p95 ${p95.toFixed(1)}  p99 ${p99.toFixed(1)} ms${wanted}`;
}

/** The reads are printed as they are done. */
function describe({ files, load, status }: ApiResult): string {
  const { perSecond, failures, slowestFirst, cpuMsPerRequest } = status;
  const { api, postgres, client } = cpuMsPerRequest;
  const cpu = `processor time each: API ${api.toFixed(2)}, PostgreSQL ${postgres.toFixed(2)}, client ${client.toFixed(2)} ms`;
  const facts = `, ${failures} failed, the slowest of the first 3 s ${slowestFirst.toFixed(0)} ms, ${cpu} (p99 wanted: ${WANTED.status} or less)`;
  return [
    line(`/status at ${perSecond.toFixed(0)}/s`, status, facts),
    `${files} files, load of the machine ${load.toFixed(1)}`,
  ].join('\n');
}
