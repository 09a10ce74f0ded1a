/**
 * Pulls whose worker is lost at every row of the table of kills, and at random: what it still does afterwards counts for nothing, and another
 * worker brings the file to its end. After each: one version in landing and whole (P1), the partner's file gone only then (P2), nothing open.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { neverStops } from '#testkit/beds/job-runner.ts';
import {
  LANDING,
  PART_BYTES,
  type PullBed,
  type PullWorker,
  putAtPartner,
  startPullBed,
} from '#testkit/beds/pull-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { PARTNER_SERVERS, type PartnerFileServer } from '#testkit/servers/partner-file-servers.ts';

const KILLS = Number(process.env.LONGSHORE_TEST_KILLED_PULLS ?? 25);
const AT_RANDOM = Number(process.env.LONGSHORE_TEST_KILLED_PULLS_AT_RANDOM ?? 200);
const SEED = Number(process.env.LONGSHORE_TEST_SEED ?? Date.now() % 1_000_000);
/** Two parts. */
const CONTENT = randomBytes(PART_BYTES + 100_000);
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');
/** About as long as one takes on a busy machine. */
const LONGEST_MS = 250;
const MOST_TRIES = 4;

type Kill = (id: string, lost: () => void) => Promise<void> | void;

/** The store has answered, and the worker does not live to hear it. */
const atStore =
  (operation: string, nth = 1): Kill =>
  (id, lost) => {
    let seen = 0;
    bed.proxy.onAnswered((answered) => {
      if (!answered.operation.startsWith(operation)) return;
      seen += 1;
      if (seen === nth) void take(id).then(lost);
    });
  };

/** Its statement was committed, and it does not live to hear it. */
const atStage =
  (stage: string): Kill =>
  async () => {
    await bed.sql`UPDATE kill_points SET stage = ${stage}`;
  };

const POINTS: readonly (readonly [string, Kill])[] = [
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
let count = 0;

beforeAll(async () => {
  bed = await startPullBed();
  await bed.clear();
  await bed.sql`CREATE TABLE kill_points (stage text)`;
  await bed.sql`INSERT INTO kill_points VALUES (NULL)`;
  await bed.sql`
    CREATE FUNCTION lose_lease() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.transfer_stage IS DISTINCT FROM OLD.transfer_stage AND NEW.transfer_stage = (SELECT stage FROM kill_points) THEN
        UPDATE kill_points SET stage = NULL;
        NEW.epoch := NEW.epoch + 1;
        NEW.lease_until := now() - interval '1 second';
      END IF;
      RETURN NEW;
    END $$`;
  await bed.sql`CREATE TRIGGER lose_lease BEFORE UPDATE ON pulls FOR EACH ROW EXECUTE FUNCTION lose_lease()`;
});
afterAll(() => bed?.stop());

const take = (id: string) =>
  bed.sql`UPDATE pulls SET epoch = epoch + 1, lease_until = now() - interval '1 second' WHERE id = ${id} AND lease_until > now()`;

async function killOnce(server: PartnerFileServer, kill: Kill): Promise<void> {
  count += 1;
  const name = `f-${count}.data`;
  const id = await bed.trigger(await putAtPartner(server, name, CONTENT));
  const dead = bed.startWorker();
  const lost = Promise.withResolvers<void>();
  await kill(id, () => lost.resolve());
  const dying = dead.runner.handle(id, neverStops);
  await Promise.race([dying, lost.promise]);
  bed.proxy.onAnswered(undefined);
  await bed.sql`UPDATE kill_points SET stage = NULL`;
  // What the lost one still does can cost the other a try, as a store that is busy would.
  for (let tries = 0; tries < MOST_TRIES && (await bed.read(id)).status !== 'COMPLETED'; tries += 1) {
    await bed.makeDue();
    await bed.settle(worker);
  }
  // The lost one wakes up late, at any time, and must change nothing.
  await dying;
  await dead.stop();
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
  expect((await bed.store.listMultipartUploads({ bucket: LANDING })).items).toEqual([]);
  await bed.store.deleteVersion({ bucket: LANDING, key, versionId });
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
  });
  afterAll(async () => {
    await worker.stop();
    await server.stop();
  });

  test.each(POINTS)(
    `a worker that is lost %s, ${KILLS} times`,
    async (_name, kill) => {
      for (let times = 0; times < KILLS; times += 1) await killOnce(server, kill);
      expect(await violations()).toEqual([]);
    },
    600_000,
  );

  test(`a worker that is lost at random, ${AT_RANDOM / 2} times, seed ${SEED}`, async () => {
    const random = randomOf(SEED);
    for (let times = 0; times < AT_RANDOM / 2; times += 1) {
      const afterMs = random() * LONGEST_MS;
      await killOnce(server, (id, lost) => void setTimeout(() => void take(id).then(lost), afterMs));
    }
    expect(await violations()).toEqual([]);
  }, 900_000);
});
