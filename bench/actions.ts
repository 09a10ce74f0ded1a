/**
 * `npm run bench -- actions`: one action on many failed jobs, previewed by the API and carried by the retry-sweeper without a rate.
 *
 * 1. Both are the processes that `npm start` runs, in a home that is thrown away, and commits are durable as they are there. No worker
 *    runs: what is set going stays where it is.
 * 2. The preview is timed at the client of the API, three times, of which the median counts; the run from its request until the action is
 *    done. CPU is that of each process meanwhile.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Stack, startStack } from '#local/stack.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { connectForBench } from './connect-for-bench.ts';
import { insertFinishedFiles } from './finished-files.ts';
import { eachProcess, round } from './fleet-requests.ts';
import { cpuMs } from './read-metrics.ts';

export interface ActionsBenchOptions {
  readonly jobs: number;
  /** In addition to those that the action takes. */
  readonly finished: number;
  readonly json: boolean;
}

export interface ActionsResult {
  readonly jobs: number;
  readonly finished: number;
  readonly previewSeconds: number;
  readonly jobsPerSecond: number;
  readonly cpuMsPerJob: Readonly<Record<string, number>>;
  readonly wanted: { readonly previewSeconds: number; readonly jobsPerSecond: number };
}

const [FAILED, FINISHED] = ['failed', 'finished'];
const PREVIEWS = 3;
const LOOK_MS = 50;
const RUN_TIMEOUT_MS = 900_000;

export async function runActionsBench(options: ActionsBenchOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  try {
    const stack = await startStack({ home, portBase: 'free', services: ['control-api', 'retry-sweeper'] });
    try {
      const result = await measureActions(stack, options);
      console.log(options.json ? JSON.stringify(result) : describe(result));
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function measureActions(stack: Stack, { jobs, finished }: ActionsBenchOptions): Promise<ActionsResult> {
  await seed(stack, { jobs, finished });
  const call = await openApi(stack);
  const filter = { tenant: FAILED, code: 'DELIVERY_ERROR', since: new Date(Date.now() - 86_400_000).toISOString() };
  const previews: { seconds: number; id: string }[] = [];
  for (let index = 0; index < PREVIEWS; index += 1) {
    const startedMs = performance.now();
    const { action_id: id, takes } = await call('POST', '', { verb: 'retry', filter });
    previews.push({ seconds: (performance.now() - startedMs) / 1_000, id });
    if (takes !== jobs) throw new Error(`the preview takes ${takes} of ${jobs} jobs`);
  }
  const seconds = previews.map((preview) => preview.seconds).sort((a, b) => a - b);
  const { id } = previews[0]!;
  const before = await eachProcess(stack, cpuMs);
  const startedMs = performance.now();
  await call('POST', `/${id}/run`, { reason: 'a benchmark' });
  for (;;) {
    const { state, done } = await call('GET', `/${id}`);
    if (state === 'DONE' && done === jobs) break;
    if (state === 'DONE' || performance.now() - startedMs > RUN_TIMEOUT_MS)
      throw new Error(`${state}: ${done} of ${jobs} jobs`);
    await sleep(LOOK_MS);
  }
  const tookSeconds = (performance.now() - startedMs) / 1_000;
  const after = await eachProcess(stack, cpuMs);
  return {
    jobs,
    finished,
    previewSeconds: round(seconds[Math.floor(seconds.length / 2)] ?? 0),
    jobsPerSecond: round(jobs / tookSeconds),
    cpuMsPerJob: Object.fromEntries(
      Object.entries(after).map(([name, ms]) => [name, round((ms - (before[name] ?? 0)) / jobs)]),
    ),
    wanted: { previewSeconds: 2, jobsPerSecond: 1_000 },
  };
}

async function seed(stack: Stack, { jobs, finished }: { jobs: number; finished: number }): Promise<void> {
  const sql = connectForBench(stack.env.DATABASE_URL);
  try {
    for (const [tenant, count, failedEvery] of [
      [FINISHED, finished, undefined],
      [FAILED, jobs, 1],
    ] as const) {
      const route = `kind: route\ntenant: ${tenant}\nname: bench\nmatch: { path: '**' }\nsteps:\n  - validate:\n  - deliver:\n  - confirm:\n`;
      await applyTenantDocuments(sql, tenant, route);
      await insertFinishedFiles(sql, tenant, count, failedEvery);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

interface SeenAction {
  readonly action_id: string;
  readonly state: string;
  readonly takes: number;
  readonly done: number;
}

async function openApi({ endpoints }: Stack) {
  const key = (await readFile(endpoints.operatorKeyFile, 'utf8')).trim();
  return async (method: 'GET' | 'POST', path: string, body?: object): Promise<SeenAction> => {
    const reply = await fetch(new URL(`/api/v1/actions${path}`, endpoints.api), {
      method,
      headers: { 'x-api-key': key, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
    return (await reply.json()) as SeenAction;
  };
}

function describe({ jobs, finished, previewSeconds, jobsPerSecond, cpuMsPerJob, wanted }: ActionsResult): string {
  const cpu = Object.entries(cpuMsPerJob).map(([name, ms]) => `${name} ${ms}`);
  return [
    `retry of ${jobs} failed jobs, next to ${finished} finished ones`,
    `preview        ${previewSeconds} s (wanted: ${wanted.previewSeconds} or less)`,
    `run            ${jobsPerSecond} jobs/s (wanted: ${wanted.jobsPerSecond} or more)`,
    `CPU per job    ${cpu.join(', ')} ms`,
  ].join('\n');
}
