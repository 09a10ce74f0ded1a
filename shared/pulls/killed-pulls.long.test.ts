/**
 * Pulls whose worker is killed at every row of the table of kills, and at random; then again by workers that lose their lease at random, and
 * whose late acts count for nothing. Another worker brings the file to its end. After each: one version in landing and whole (P1), the partner's
 * file gone only then (P2), nothing open.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { neverStops } from '#testkit/beds/job-runner.ts';
import { type PullBed, putAtPartner, startPullBed } from '#testkit/beds/pull-bed.ts';
import { LANDING, PART_BYTES, type PullWorker } from '#testkit/beds/pull-process.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';
import { PARTNER_SERVERS, type PartnerFileServer } from '#testkit/servers/partner-file-servers.ts';
import type { TestProcess } from '#testkit/servers/start-process.ts';

/** At each point, over both servers together. */
const KILLS = repeatTimes(25);
const AT_RANDOM = repeatTimes(20);
/** Losing a lease costs no process. */
const LOST_AT_RANDOM = repeatTimes(180);
const SEED = Number(process.env.LONGSHORE_TEST_SEED ?? Date.now() % 1_000_000);
/** Two parts. */
const CONTENT = randomBytes(PART_BYTES + 100_000);
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');
/** About as long as one takes on a busy machine. */
const LONGEST_MS = 250;
const MOST_TRIES = 4;

/** Arranges that `kill` is called once, at the point. */
type Arrange = (kill: () => void) => Promise<unknown> | unknown;

/** The store has answered, and the worker does not live to hear it. */
const atStore =
  (operation: string, nth = 1): Arrange =>
  (kill) => {
    let seen = 0;
    bed.proxy.onAnswered((answered) => {
      if (!answered.operation.startsWith(operation)) return;
      seen += 1;
      if (seen === nth) kill();
    });
  };

/** Its statement was committed, and it does not live long after. */
const atStage =
  (stage: string): Arrange =>
  async (kill) => {
    whenReached = kill;
    await bed.sql`UPDATE kill_points SET stage = ${stage}`;
  };

const POINTS: readonly (readonly [string, Arrange])[] = [
  ['before its upload was written down', atStore('CreateMultipartUpload')],
  ['in the download, after the first part', atStore('UploadPart')],
  ['in the download, after the last part', atStore('UploadPart', 2)],
  ['between complete and landing', atStore('CompleteMultipartUpload')],
  ['when the download begins', atStage('DOWNLOADING')],
  ['when it verifies', atStage('VERIFYING')],
  ['between landing and cleaning', atStage('LANDED')],
  ['when it cleans, the reply to its delete lost', atStage('CLEANING')],
];

let bed: PullBed;
let worker: PullWorker;
let next: TestProcess;
let whenReached: (() => void) | undefined;
let count = 0;

beforeAll(async () => {
  bed = await startPullBed();
  await bed.clear();
  await bed.sql`CREATE TABLE kill_points (stage text)`;
  await bed.sql`INSERT INTO kill_points VALUES (NULL)`;
  await bed.sql`
    CREATE FUNCTION tell_stage() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.transfer_stage IS DISTINCT FROM OLD.transfer_stage AND NEW.transfer_stage = (SELECT stage FROM kill_points) THEN
        UPDATE kill_points SET stage = NULL;
        PERFORM pg_notify('reached', NEW.transfer_stage);
      END IF;
      RETURN NEW;
    END $$`;
  await bed.sql`CREATE TRIGGER tell_stage BEFORE UPDATE ON pulls FOR EACH ROW EXECUTE FUNCTION tell_stage()`;
  await bed.sql.listen('reached', () => whenReached?.());
});
afterAll(() => bed?.stop());

/** The one that is killed; the next one starts meanwhile. */
async function killOnce(server: PartnerFileServer, arrange: Arrange): Promise<void> {
  const killed = next;
  next = bed.startWorkerProcess();
  await killed.untilLine(/^ready$/);
  const { id, name } = await bring(server);
  await arrange(() => killed.kill('SIGKILL'));
  await bed.sendTo(killed, id);
  // One that was killed too late has handled it.
  await Promise.race([killed.ended, killed.untilLine(/^handled/).catch(() => {})]);
  bed.proxy.onAnswered(undefined);
  whenReached = undefined;
  await bed.sql`UPDATE kill_points SET stage = NULL`;
  await killed.end('SIGKILL');
  await takeOver(server, { id, name });
}

const take = (id: string) =>
  bed.sql`UPDATE pulls SET epoch = epoch + 1, lease_until = now() - interval '1 second' WHERE id = ${id} AND lease_until > now()`;

/** It wakes up late, at any time, and must change nothing. */
async function loseOnce(server: PartnerFileServer, afterMs: number): Promise<void> {
  const { id, name } = await bring(server);
  const lost = bed.startWorker();
  const losing = lost.runner.handle(id, neverStops);
  await Promise.race([losing, delay(afterMs).then(() => take(id))]);
  const taken = takeOver(server, { id, name });
  await Promise.all([losing, taken.catch(() => {})]);
  await lost.stop();
  await taken;
}

interface Brought {
  readonly id: string;
  readonly name: string;
}

async function bring(server: PartnerFileServer): Promise<Brought> {
  count += 1;
  const name = `f-${count}.data`;
  return { id: await bed.trigger(await putAtPartner(server, name, CONTENT)), name };
}

async function takeOver(server: PartnerFileServer, { id, name }: Brought): Promise<void> {
  // What a lost one still does can cost the other a try, as a store that is busy would.
  for (let tries = 0; tries < MOST_TRIES && (await bed.read(id)).status !== 'COMPLETED'; tries += 1) {
    await bed.makeDue();
    await bed.settle(worker);
  }
  expect(await bed.read(id), bed.logged.slice(-4).join('\n')).toMatchObject({
    status: 'COMPLETED',
    transfer_stage: 'DONE',
  });
  const key = `acme/P-1/${name}`;
  const { items } = await bed.store.listVersions({ bucket: LANDING, prefix: key });
  expect(items.map((item) => [item.key, item.isDeleteMarker])).toEqual([[key, false]]);
  const hash = createHash('sha256');
  const [{ versionId } = { versionId: '' }] = items;
  for await (const piece of bed.store.readStream({ bucket: LANDING, key, versionId })) hash.update(piece);
  expect(hash.digest('hex')).toBe(SHA256);
  const rows = await bed.sql`SELECT version_id AS v, source FROM files WHERE bucket = ${LANDING} AND key = ${key}`;
  expect(rows).toEqual([{ v: versionId, source: 'pull' }]);
  expect(existsSync(join(server.onDisk, name))).toBe(false);
  await endLeftUploads();
  await bed.store.deleteVersion({ bucket: LANDING, key, versionId });
}

/** Killed between an upload's beginning and its note, a worker leaves one that no row names: the sweeper ends it in time. */
async function endLeftUploads(): Promise<void> {
  const { items } = await bed.store.listMultipartUploads({ bucket: LANDING });
  expect(items.length).toBeLessThanOrEqual(1);
  for (const { key, uploadId } of items) {
    expect(await bed.sql`SELECT upload_id FROM transfers WHERE upload_id = ${uploadId}`).toEqual([]);
    await bed.store.abortMultipartUpload({ bucket: LANDING, key, uploadId });
  }
}

/** Files that have landed are open, and nobody carries them on here. */
async function violations() {
  const found = await findRowViolations(bed.sql, { isAtRest: false });
  return found.filter(({ rows }) => !rows.every((row) => row.kind === 'file'));
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe.each(PARTNER_SERVERS.slice(0, 2))('over $name', ({ start }) => {
  let server: PartnerFileServer;
  beforeAll(async () => {
    server = await start();
    await bed.useServer(server);
    worker = bed.startWorker();
    next = bed.startWorkerProcess();
  });
  afterAll(async () => {
    await next.end('SIGKILL');
    await worker.stop();
    await server.stop();
  });

  test.each(POINTS)(
    `a worker that is killed %s, ${Math.ceil(KILLS / 2)} times`,
    async (_name, arrange) => {
      for (let times = 0; times < KILLS / 2; times += 1) await killOnce(server, arrange);
      expect(await violations()).toEqual([]);
    },
    600_000,
  );

  test(`a worker that is killed at random, ${AT_RANDOM / 2} times, seed ${SEED}`, async () => {
    const random = randomOf(SEED);
    for (let times = 0; times < AT_RANDOM / 2; times += 1) {
      const afterMs = random() * LONGEST_MS;
      await killOnce(server, (kill) => void setTimeout(kill, afterMs));
    }
    expect(await violations()).toEqual([]);
  }, 900_000);

  test(`a worker that loses its lease at random, ${LOST_AT_RANDOM / 2} times, seed ${SEED}`, async () => {
    const random = randomOf(SEED);
    for (let times = 0; times < LOST_AT_RANDOM / 2; times += 1) await loseOnce(server, random() * LONGEST_MS);
    expect(await violations()).toEqual([]);
  }, 900_000);
});
