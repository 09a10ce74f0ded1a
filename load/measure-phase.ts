/**
 * What happened to files that were sent, by the API: refused, lost, doubled, and how long each stage took.
 *
 * 1. Every accepted file must be one file of the tenant that is completed and, where the delivered bucket can be listed, one version there.
 *    The lists are compared with what the clients were answered.
 * 2. Times of a put are those of this machine, all others those of the fleet: two clocks that differ show in the first stage and in the
 *    sums. Stages in between are those of a sample of the files.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ListObjectVersionsCommand, type ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { timelinePageSchema } from '#shared/api/timeline.ts';
import { percentiles } from '../bench/percentiles.ts';
import type { Put } from './doors.ts';
import { type PhaseResult, STAGES, type Stage, type StageTimes } from './judge-load.ts';
import type { LoadTarget } from './target.ts';

const DRAIN_TIMEOUT_MS = 1_800_000;
const LOOK_EVERY_MS = 1_000;
/** Within a key's allowance. */
const ASK_EVERY_MS = 15;
const SAMPLED = 200;
const REQUEST_TIMEOUT_MS = 30_000;

const fileSchema = z.looseObject({
  file_id: z.string(),
  key: z.string(),
  status: z.string(),
  registered_at: z.string(),
  finished_at: z.string().nullable(),
});
export type LoadedFile = z.infer<typeof fileSchema>;
const pageSchema = z.looseObject({ files: z.array(fileSchema), next_cursor: z.string().nullable() });
const countSchema = z.looseObject({ count: z.number() });

export async function measurePhase(
  target: LoadTarget,
  /** What the keys of the phase begin with, below the tenant. */
  prefix: string,
  send: () => Promise<Put[]>,
): Promise<PhaseResult> {
  const puts = await send();
  const accepted = puts.filter(({ refusal }) => refusal === undefined);
  await untilEnded(target, prefix, accepted.length);
  const files = Map.groupBy(await listFiles(target, prefix), ({ key }) => key);
  const versions = await countDelivered(target, prefix);
  const ended = accepted.map(({ path, atMs }) => {
    const key = `${target.tenant}/${path}`;
    const own = files.get(key) ?? [];
    const delivered = versions === undefined ? 1 : (versions.get(key) ?? 0);
    const isLost = delivered === 0 || !own.some(({ status }) => status === 'completed');
    return { atMs, file: own[0], isLost, isDoubled: delivered > 1 || own.length > 1 };
  });
  const whole = ended.flatMap(({ atMs, file, isLost }) => (file === undefined || isLost ? [] : [{ atMs, file }]));
  const firstMs = Math.min(...puts.map(({ atMs }) => atMs));
  const lastMs = Math.max(...whole.map(({ file }) => Date.parse(file.finished_at ?? '')));
  return {
    sent: puts.length,
    refused: puts.length - accepted.length,
    refusals: [...new Set(puts.flatMap(({ refusal }) => refusal ?? []))].slice(0, 3),
    lost: ended.filter(({ isLost }) => isLost).length,
    doubled: ended.filter(({ isDoubled }) => isDoubled).length,
    tookSeconds: Math.round((lastMs - firstMs) / 100) / 10,
    stagesMs: await stageTimes(target, whole),
  };
}

export async function ask<Schema extends z.ZodType>(
  { api, apiKeys: [key = ''] }: LoadTarget,
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const reply = await fetch(new URL(path, api), { headers: { 'x-api-key': key }, signal });
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  return schema.parse(await reply.json());
}

export async function countFiles(target: LoadTarget, prefix: string, status: string): Promise<number> {
  const query = new URLSearchParams({ path: `${target.tenant}/${prefix}`, status });
  return (await ask(target, `/api/v1/files/count?${query}`, countSchema)).count;
}

/** Until each is terminal or time is up: what is missing then is lost. */
async function untilEnded(target: LoadTarget, prefix: string, count: number): Promise<void> {
  const deadline = performance.now() + DRAIN_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const ended = await countFiles(target, prefix, 'completed,failed,quarantined').catch(() => 0);
    if (ended >= count) return;
    await sleep(LOOK_EVERY_MS);
  }
}

export async function listFiles(target: LoadTarget, prefix: string): Promise<LoadedFile[]> {
  const files: LoadedFile[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query = new URLSearchParams({ path: `${target.tenant}/${prefix}`, limit: '200' });
    if (cursor !== '') query.set('cursor', cursor);
    const page: z.infer<typeof pageSchema> = await ask(target, `/api/v1/files?${query}`, pageSchema);
    files.push(...page.files);
    cursor = page.next_cursor;
    await sleep(ASK_EVERY_MS);
  }
  return files;
}

/** Undefined where the bucket cannot be listed. */
async function countDelivered({ tenant, s3 }: LoadTarget, prefix: string): Promise<Map<string, number> | undefined> {
  if (s3?.delivered === undefined) return undefined;
  const counts = new Map<string, number>();
  let page: ListObjectVersionsCommandOutput | undefined;
  do {
    const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page ?? {};
    const place = { Bucket: s3.delivered, Prefix: `${tenant}/${prefix}` };
    page = await s3.client.send(new ListObjectVersionsCommand({ ...place, KeyMarker, VersionIdMarker }));
    for (const { Key = '' } of page.Versions ?? []) counts.set(Key, (counts.get(Key) ?? 0) + 1);
  } while (page.IsTruncated === true);
  return counts;
}

interface Whole {
  readonly atMs: number;
  readonly file: LoadedFile;
}

async function stageTimes(target: LoadTarget, whole: readonly Whole[]): Promise<StageTimes> {
  const times = new Map<Stage, number[]>(STAGES.map((stage) => [stage, []]));
  const add = (stage: Stage, fromMs: number | undefined, toMs: number | undefined) => {
    if (fromMs !== undefined && toMs !== undefined) times.get(stage)?.push(toMs - fromMs);
  };
  for (const { atMs, file } of whole) {
    add('registered', atMs, Date.parse(file.registered_at));
    add('put to archived', atMs, Date.parse(file.finished_at ?? ''));
  }
  const every = Math.max(1, Math.ceil(whole.length / SAMPLED));
  for (const { file, atMs } of whole.filter((_, index) => index % every === 0)) {
    const { lines } = await ask(target, `/api/v1/files/${file.file_id}/timeline?limit=200`, timelinePageSchema);
    const at = (type: string, step?: string) => {
      const line = lines.find((each) => each.type === type && (step === undefined || each.step === step));
      return line === undefined ? undefined : Date.parse(line.ended_at ?? line.at);
    };
    const [routed, claimed, delivered] = [at('file.routed'), at('job.claimed'), at('step.succeeded', 'deliver')];
    add('routed', Date.parse(file.registered_at), routed);
    add('claimed', routed, claimed);
    add('delivered', claimed, delivered);
    add('archived', delivered, Date.parse(file.finished_at ?? ''));
    add('put to delivered', atMs, delivered);
    await sleep(ASK_EVERY_MS);
  }
  return Object.fromEntries(
    STAGES.map((stage) => [stage, percentiles(times.get(stage) ?? [])]),
  ) as unknown as StageTimes;
}
