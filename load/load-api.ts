/**
 * `npm run load -- api`: `/status` at a steady rate, of files that were sent for it. Of a fleet that was started for it, it says as well whether the
 * API was slow, or had no processor to work on.
 */
import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { processorTimes, readGauge } from '../bench/read-metrics.ts';
import type { StatusAnswered, StatusWork } from '../bench/status-client-process.ts';
import { openS3Door, openSftpDoor } from './doors.ts';
import { findMissedBounds, findSlowStatus } from './judge-load.ts';
import { newPrefix } from './load-files.ts';
import { ask, listFiles, measurePhase } from './measure-phase.ts';
import { type LoadTarget, type TargetOptions, withTarget } from './target.ts';

export interface LoadApiOptions extends TargetOptions {
  readonly rate: number;
  readonly seconds: number;
  readonly files: number;
  readonly json: boolean;
}

const FILE_BYTES = 100;

export async function runApiLoad(options: LoadApiOptions): Promise<boolean> {
  return await withTarget(options, async (target) => {
    const { fileIds, faults } = await sendFiles(target, options.files);
    const before = await readApi(target);
    const answered = await askStatus(target, fileIds, options);
    const api = perRequest(before, await readApi(target), answered);
    const missed = [...faults, ...findSlowStatus(answered, options.rate)];
    if (options.json) console.log(JSON.stringify({ ...answered, missed, ...(api !== undefined && { api }) }));
    else {
      const { p50, p95, p99, perSecond, failures, slowestFirst } = answered;
      const times = `p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
      const verdict = missed.length === 0 ? ['every bound was kept'] : missed.map((each) => `MISSED ${each}`);
      const facts = api === undefined ? [] : [describeApi(api)];
      console.log(
        [
          `/status at ${perSecond.toFixed(0)}/s: ${times}; ${failures} failed; the slowest of the first 3 s ${slowestFirst.toFixed(0)} ms`,
          ...facts,
          ...verdict,
        ].join('\n'),
      );
    }
    return missed.length === 0;
  });
}

interface ApiFacts {
  /** Of a processor, for each request; of all threads. */
  readonly usedMs: number;
  readonly waitedMs: number;
  /** The longest that the event loop was late meanwhile. */
  readonly longestLagMs: number | undefined;
}

function describeApi({ usedMs, waitedMs, longestLagMs }: ApiFacts): string {
  const lag = longestLagMs === undefined ? '' : `; its event loop was late by ${longestLagMs.toFixed(0)} ms at most`;
  return `the API used ${usedMs.toFixed(2)} ms of a processor for each, and waited ${waitedMs.toFixed(2)} ms for one${lag}`;
}

/** The gauge of the lag begins again when it is read. */
async function readApi({ stack }: LoadTarget): Promise<ApiFacts | undefined> {
  const process = stack?.processes['control-api'];
  const times = process?.pid === undefined ? undefined : await processorTimes(process.pid);
  if (stack === undefined || times === undefined) return undefined;
  const lag = await readGauge(stack.endpoints.metrics['control-api'] ?? '', 'nodejs_eventloop_lag_max_seconds');
  return { ...times, longestLagMs: lag === undefined ? undefined : lag * 1_000 };
}

function perRequest(
  before: ApiFacts | undefined,
  after: ApiFacts | undefined,
  { asked }: StatusAnswered,
): ApiFacts | undefined {
  if (before === undefined || after === undefined) return undefined;
  return {
    usedMs: (after.usedMs - before.usedMs) / asked,
    waitedMs: (after.waitedMs - before.waitedMs) / asked,
    longestLagMs: after.longestLagMs,
  };
}

async function sendFiles(target: LoadTarget, count: number): Promise<{ fileIds: string[]; faults: string[] }> {
  const open = target.s3 === undefined ? openSftpDoor : openS3Door;
  const door = await open(target, randomBytes(FILE_BYTES));
  const prefix = newPrefix();
  try {
    const paths = Array.from({ length: count }, () => `${prefix}${randomUUID()}.csv`);
    const phase = await measurePhase(target, prefix, () => door.putAll(paths));
    const files = await listFiles(target, prefix);
    return { fileIds: files.map((file) => file.file_id), faults: findMissedBounds('files', phase, {}) };
  } finally {
    await door.close();
  }
}

async function askStatus(
  target: LoadTarget,
  fileIds: string[],
  { rate, seconds }: LoadApiOptions,
): Promise<StatusAnswered> {
  // A key that was used before is looked up once.
  for (const key of target.apiKeys) await ask({ ...target, apiKeys: [key] }, '/api/v1/me', z.unknown());
  const work: StatusWork = { api: new URL(target.api).origin, keys: target.apiKeys, fileIds, rate, seconds };
  const program = fileURLToPath(new URL('../bench/status-client-process.ts', import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, JSON.stringify(work)], {
    timeout: (seconds + 60) * 1_000,
  });
  if (stderr !== '') console.error(`the first failure: ${stderr.trim()}`);
  return JSON.parse(stdout) as StatusAnswered;
}
