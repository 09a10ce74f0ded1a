/**
 * Asks `/status` at a steady rate, in its own process so that it waits for nothing but the API: a request leaves when it is due, whether
 * or not those before were answered, and a late answer counts from when its request was due. Takes its work as JSON, prints its result.
 *
 * Answers to the requests of the first seconds, in which connections are opened and code is compiled on both sides, are not among the others; the
 * slowest of them is told apart.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { type Percentiles, percentiles } from './percentiles.ts';

export interface StatusWork {
  readonly api: string;
  readonly keys: readonly string[];
  readonly fileIds: readonly string[];
  readonly rate: number;
  readonly seconds: number;
}

export interface StatusAnswered extends Percentiles {
  readonly perSecond: number;
  readonly failures: number;
  /** All requests, the first ones too. */
  readonly asked: number;
  /** Of the client, for all of them. */
  readonly cpuMs: number;
  /** The slowest answer of the first seconds. */
  readonly slowestFirst: number;
}

const CONNECTIONS = 64;
const FIRST_SECONDS = 3;
/** What was not answered by then has failed; the API cannot keep up. */
const LATEST_MS = 10_000;

const work = JSON.parse(process.argv[2] ?? '') as StatusWork;
const pool = new Pool(work.api, { connections: CONNECTIONS });
const ended = AbortSignal.timeout((FIRST_SECONDS + work.seconds) * 1_000 + LATEST_MS);
const took: number[] = [];
let slowestFirst = 0;
let failures = 0;

async function one(index: number, dueMs: number): Promise<void> {
  const { statusCode, body } = await pool.request({
    method: 'GET',
    path: `/status?file_id=${work.fileIds[index % work.fileIds.length]}`,
    signal: ended,
    headers: { 'x-api-key': work.keys[index % work.keys.length] ?? '' },
  });
  await body.dump();
  if (statusCode !== 200) throw new Error(`/status answered ${statusCode}`);
  const ms = performance.now() - dueMs;
  if (dueMs < counted) slowestFirst = Math.max(slowestFirst, ms);
  else took.push(ms);
}

const asked: Promise<void>[] = [];
const begun = performance.now();
const counted = begun + FIRST_SECONDS * 1_000;
const cpuBefore = process.cpuUsage();
for (let index = 0; index < work.rate * (FIRST_SECONDS + work.seconds); index += 1) {
  const dueMs = begun + (index * 1_000) / work.rate;
  const early = dueMs - performance.now();
  if (early > 1) await sleep(early);
  asked.push(
    one(index, dueMs).catch((error: unknown) => {
      if (failures === 0) console.error(String(error));
      failures += 1;
    }),
  );
}
await Promise.all(asked);
const { user, system } = process.cpuUsage(cpuBefore);
const perSecond = took.length / ((performance.now() - counted) / 1_000);
await pool.destroy();
const answered: StatusAnswered = {
  ...percentiles(took),
  ...{ perSecond, failures, slowestFirst },
  asked: asked.length,
  cpuMs: (user + system) / 1_000,
};
console.log(JSON.stringify(answered));
