/**
 * Pushes whose worker is killed, or stands still and wakes up late, at every row of the table of kills; another worker brings the files to
 * their end. A worker is held at a statement of its effects until all of its pushes are there, so that each dies at the point and not near it.
 * After each point: every file at the partner once and whole, by the one rename that showed it (P3, P4), nothing in doubt, and no temporary
 * name left.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { routeDocumentSchema } from '#shared/definitions/routes/route-schema.ts';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';
import { findRowViolations } from '#testkit/checks/find-row-violations.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { PARTNER_SERVERS, type PartnerFileServer } from '#testkit/servers/partner-file-servers.ts';

const MAIN = new URL('main.ts', import.meta.url);
/** At each point, over both servers together: those over one server die with one worker. */
const PUSHES = repeatTimes(25);
const AT_ONCE = Math.ceil(PUSHES / 2);
/** Many requests of SFTP, many records of TLS. */
const BYTES = 3_000_000;
/**
 * Of the files whose worker dies in the upload, at nearly the least pace that a remote may have: two minutes and a half. All are under way at a
 * time on a busy machine too, and where one had to begin again after a connection that stalled.
 */
const LONG_UPLOAD_BYTES = 10_000_000;
const UPLOAD_PACE = 65_000;
/** Longer than a rename takes on a busy machine. */
const RENAME_MS = 12;
const GATE = 1313;
const WAIT = { timeout: 120_000, interval: 10 };
/** What failed for another reason is tried again meanwhile. */
const SWEPT = { timeout: 120_000, interval: 200 };

/** Brings a worker, whose pushes begin now, to its end. Resolves to one that only stands still. */
type Strike = (worker: WorkerProcess) => Promise<WorkerProcess | undefined>;

const IN_THE_UPLOAD = 'killed in the upload';
const POINTS: readonly (readonly [string, Strike])[] = [
  [
    IN_THE_UPLOAD,
    async (worker) => {
      const begun = async () => {
        await bed.sweep();
        return {
          begun: (await temporaryNames()).length,
          // Says why, where they are not.
          ended: await bed.sql`SELECT outcome, code, message FROM attempts`,
        };
      };
      await expect.poll(begun, SWEPT).toMatchObject({ begun: AT_ONCE });
      await worker.end('SIGKILL');
      const sizes = await Promise.all((await temporaryNames()).map((name) => stat(join(server.onDisk, name))));
      expect(Math.min(...sizes.map(({ size }) => size))).toBeLessThan(LONG_UPLOAD_BYTES);
      return undefined;
    },
  ],
  [
    'killed before the rename, of which nothing is stored',
    (worker) =>
      heldAt('COMMITTING', async ({ lose }) => {
        await worker.end('SIGKILL');
        await lose();
        return undefined;
      }),
  ],
  [
    'killed before the rename, which is stored as begun',
    (worker) =>
      heldAt('COMMITTING', async ({ commit }) => {
        worker.child.kill('SIGSTOP');
        await commit();
        await worker.end('SIGKILL');
        return undefined;
      }),
  ],
  [
    'killed with its rename under way',
    (worker) =>
      heldAt('COMMITTING', async ({ open }) => {
        await open();
        await delay(Math.random() * RENAME_MS);
        await worker.end('SIGKILL');
        return undefined;
      }),
  ],
  [
    'killed after the rename, of which nothing is stored',
    (worker) =>
      heldAt('DONE', async ({ lose }) => {
        await worker.end('SIGKILL');
        await lose();
        return undefined;
      }),
  ],
  [
    'killed once it was done, before its step was',
    (worker) =>
      heldAt('DONE', async ({ commit }) => {
        worker.child.kill('SIGSTOP');
        await commit();
        await worker.end('SIGKILL');
        return undefined;
      }),
  ],
  [
    'standing still before its rename, which it sends too late,',
    (worker) =>
      heldAt('COMMITTING', async ({ commit }) => {
        worker.child.kill('SIGSTOP');
        await commit();
        return worker;
      }),
  ],
];

let bed: WorkBed;
let gate: Awaited<ReturnType<WorkBed['sql']['reserve']>>;
let secrets: string;
let bytesEach = BYTES;
let server: PartnerFileServer;
const started: WorkerProcess[] = [];
/** Of each final name, since it was first seen. */
const shown = new Map<string, number>();

beforeAll(async () => {
  bed = await startWorkBed();
  secrets = await mkdtemp(join(tmpdir(), 'longshore-secrets-'));
  await mkdir(join(secrets, 'acme'));
  await seedRoutes(bed.sql);
  await bed.sql`CREATE TABLE held_stage (stage text)`;
  await bed.sql.unsafe(`
    CREATE FUNCTION hold_stage() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.stage = (SELECT stage FROM held_stage) THEN PERFORM pg_advisory_xact_lock_shared(${GATE}); END IF;
      RETURN NEW;
    END $$`);
  await bed.sql`CREATE TRIGGER hold_stage BEFORE UPDATE ON effects FOR EACH ROW EXECUTE FUNCTION hold_stage()`;
  gate = await bed.sql.reserve();
});
afterAll(async () => {
  gate?.release();
  await bed?.stop();
  await rm(secrets, { recursive: true, force: true });
});

interface Held {
  /** The statements are carried out from now on. */
  open(): Promise<void>;
  /** They have been carried out. */
  commit(): Promise<void>;
  /** They are not, as if their worker had never sent them. */
  lose(): Promise<void>;
}

/** All pushes of a worker are at the statement that stores `stage` when `strike` begins. */
async function heldAt(
  stage: string,
  strike: (held: Held) => Promise<WorkerProcess | undefined>,
): Promise<WorkerProcess | undefined> {
  await gate`SELECT pg_advisory_lock(${GATE})`;
  await gate`INSERT INTO held_stage VALUES (${stage})`;
  const waiting = () =>
    gate<{ pid: number }[]>`
      SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = ${GATE} AND pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
  const open = async () => {
    await gate`DELETE FROM held_stage`;
    await gate`SELECT pg_advisory_unlock(${GATE})`;
  };
  const ended = () => expect.poll(async () => (await waiting()).length, WAIT).toBe(0);
  const held = async () => {
    await bed.sweep();
    return (await waiting()).length;
  };
  await expect.poll(held, SWEPT).toBe(AT_ONCE);
  return await strike({
    open,
    async commit() {
      await open();
      await ended();
    },
    async lose() {
      for (const { pid } of await waiting()) await gate`SELECT pg_terminate_backend(${pid})`;
      await ended();
      await open();
    },
  });
}

const apply = (kind: 'remote' | 'route', name: string, definition: unknown) =>
  applyDefinition(
    bed.sql,
    kind,
    { tenantId: 'acme', name, definition, definitionHash: JSON.stringify(definition) },
    'test',
  );

async function startWorker(): Promise<WorkerProcess> {
  const worker = await bed.startWorker(MAIN, {
    ...{ LONGSHORE_SECRETS_DIRECTORY: secrets, LONGSHORE_REMOTE_ADDRESSES: '127.0.0.0/8' },
    // Renewing a lease would wait for a statement that is held, and others for it; and who wakes up late must not know that it is.
    ...{ LONGSHORE_LEASE_MS: '300000', LONGSHORE_DRAIN_MS: '30000' },
    // Each push waits with its own connection.
    ...{ DATABASE_POOL_MAX: String(2 * AT_ONCE), DATABASE_STATEMENT_TIMEOUT_MS: '300000' },
  });
  started.push(worker);
  return worker;
}

/** Of workers that are no more, or stand still. */
async function endLeases(): Promise<void> {
  await bed.sql`UPDATE jobs SET lease_until = now() - interval '1 minute' WHERE state = 'RUNNING'`;
  await bed.sql`UPDATE remote_connections SET lease_until = now() - interval '1 minute'`;
}

const temporaryNames = async () => (await readdir(server.onDisk)).filter((name) => name.startsWith('.'));
const finalNames = async () => (await readdir(server.onDisk)).filter((name) => !name.startsWith('.'));
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A second rename would show another file. */
async function expectWholeNames(): Promise<void> {
  for (const name of await finalNames()) {
    const { size, ino } = await stat(join(server.onDisk, name));
    expect(size).toBe(bytesEach);
    expect(ino).toBe(shown.get(name) ?? ino);
    shown.set(name, ino);
  }
}

async function openFiles(): Promise<number | undefined> {
  await bed.sweep();
  await expectWholeNames();
  const [row] = await bed.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM files WHERE status <> 'COMPLETED'`;
  return row?.n;
}

describe.each(PARTNER_SERVERS.slice(0, 2))('over $name', ({ start }) => {
  beforeAll(async () => {
    server = await start();
    for (const [name, text] of Object.entries(server.secrets))
      await writeFile(join(secrets, 'acme', name), text, { mode: 0o600 });
    await apply(
      'route',
      'route-0',
      routeDocumentSchema.parse({
        ...{ kind: 'route', tenant: 'acme', name: 'route-0', match: { path: '**' } },
        retry: { maxAttempts: 100, firstDelay: '100ms' },
        steps: [{ push: { remote: 'partner', path: `${server.directory}{{ name }}` } }, { confirm: {} }],
      }),
    );
  });
  afterAll(() => server?.stop());
  afterEach(async () => {
    for (const worker of started.splice(0)) await worker.end('SIGKILL');
    for (const name of await readdir(server.onDisk)) await rm(join(server.onDisk, name));
    await bed.sql`DELETE FROM effects`;
    await bed.sql`DELETE FROM attempts`;
    await gate`DELETE FROM held_stage`;
    await gate`SELECT pg_advisory_unlock_all()`;
    shown.clear();
  });

  test.each(POINTS)(
    `a worker is %s with ${AT_ONCE} pushes`,
    async (name, strike) => {
      // A killed worker has its own until the end.
      const connections = 2 * AT_ONCE;
      const pace = name === IN_THE_UPLOAD ? { bytesPerSecond: connections * UPLOAD_PACE } : {};
      await apply('remote', 'partner', { ...server.remote, limits: { connections, ...pace } });
      bytesEach = name === IN_THE_UPLOAD ? LONG_UPLOAD_BYTES : BYTES;
      const bodies = Array.from({ length: AT_ONCE }, () => randomBytes(bytesEach));
      const jobs = await bed.putFiles({ count: AT_ONCE, bodyOf: (index) => bodies[index] ?? Buffer.alloc(0) });
      const worker = await startWorker();
      await bed.wakeUps.sendJobs(jobs);
      const asleep = await strike(worker);
      await apply('remote', 'partner', { ...server.remote, limits: { connections } });
      await expectWholeNames();
      await endLeases();
      const next = await startWorker();
      await expect.poll(openFiles, { timeout: 300_000, interval: 200 }).toBe(0);
      asleep?.child.kill('SIGCONT');
      await asleep?.end('SIGTERM');
      await next.end('SIGTERM');
      // A worker that ends in order leaves the partner's connections to others.
      expect(await bed.sql`SELECT worker FROM remote_connections WHERE lease_until > now()`).toEqual([]);

      await expectWholeNames();
      const contents = await Promise.all((await finalNames()).map((each) => readFile(join(server.onDisk, each))));
      expect(contents.map(hashOf).sort()).toEqual(bodies.map(hashOf).sort());
      expect(await temporaryNames()).toEqual([]);
      expect(await bed.sql`SELECT kind, stage, count(*)::int AS n FROM effects GROUP BY 1, 2`).toEqual([
        { kind: 'push', stage: 'DONE', n: AT_ONCE },
      ]);
      const violations = await findRowViolations(bed.sql, { isAtRest: true });
      // Nothing publishes here.
      expect(violations.filter(({ rule }) => rule !== 'every event left the outbox')).toEqual([]);
    },
    600_000,
  );
});
