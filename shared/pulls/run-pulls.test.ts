import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { neverStops } from '#testkit/beds/job-runner.ts';
import { type PullBed, putAtPartner, startPullBed } from '#testkit/beds/pull-bed.ts';
import { LANDING, PART_BYTES, type PullWorker } from '#testkit/beds/pull-process.ts';
import { PARTNER_SERVERS, type PartnerFileServer } from '#testkit/servers/partner-file-servers.ts';
import {
  type FtpsScript,
  SCRIPTED_CONTENT,
  type ScriptedFtpsServer,
  startScriptedFtpsServer,
} from '#testkit/servers/scripted-ftps-server.ts';

let bed: PullBed;
let worker: PullWorker;

beforeAll(async () => {
  bed = await startPullBed();
});

afterAll(() => bed.stop());

const servers = PARTNER_SERVERS.filter(({ missing }) => missing === undefined).slice(0, 2);

/** Every version in landing with its bytes; nothing else may be there. */
async function landed(): Promise<{ key: string; bytes: Buffer }[]> {
  const { items } = await bed.store.listVersions({ bucket: LANDING });
  return await Promise.all(
    items.map(async ({ key, versionId }) => {
      const pieces: Uint8Array[] = [];
      for await (const piece of bed.store.readStream({ bucket: LANDING, key, versionId })) pieces.push(piece);
      return { key, bytes: Buffer.concat(pieces) };
    }),
  );
}

describe.each(servers)('over $name', ({ start }) => {
  let server: PartnerFileServer;

  beforeAll(async () => {
    server = await start();
  });

  afterAll(() => server.stop());

  beforeEach(async () => {
    await bed.clear();
    for (const { key, versionId } of (await bed.store.listVersions({ bucket: LANDING })).items)
      await bed.store.deleteVersion({ bucket: LANDING, key, versionId });
    for (const name of await readdir(server.onDisk)) await rm(join(server.onDisk, name), { recursive: true });
    await bed.useServer(server);
    worker = bed.startWorker();
  });

  afterEach(async () => {
    await worker.stop();
    const { items } = await bed.store.listMultipartUploads({ bucket: LANDING });
    expect(items).toEqual([]);
    expect(await bed.sql`SELECT * FROM remote_connections WHERE lease_until > now()`).toEqual([]);
    const logged = JSON.stringify([
      await bed.sql`SELECT detail FROM audit_events`,
      await bed.sql`SELECT body FROM outbox`,
      await bed.sql`SELECT error_message FROM pulls`,
      bed.logged,
    ]);
    for (const secret of ['hush-sftp', 'hush-ftps', 'wrong-hush']) expect(logged).not.toContain(secret);
  });

  /** What a busy machine did not connect to in time is tried again. */
  async function listThrice(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      await bed.makeDue();
      await bed.settle(worker);
    }
  }

  test('a row that is put in by hand is fetched into landing, and its source is deleted', async () => {
    const content = randomBytes(2 * PART_BYTES + 3);
    const id = await bed.trigger(await putAtPartner(server, 'mo.moyr540.data', content));
    await bed.settle(worker);
    expect(await bed.read(id)).toMatchObject({
      ...{ status: 'COMPLETED', transfer_stage: 'DONE', file_name: 'mo.moyr540.data', key: 'acme/P-1/mo.moyr540.data' },
      ...{
        size_bytes: String(content.length),
        sha256: createHash('sha256').update(content).digest('hex'),
        generation: 1,
      },
      error_code: null,
    });
    expect(await landed()).toEqual([{ key: 'acme/P-1/mo.moyr540.data', bytes: content }]);
    expect(await readdir(server.onDisk)).toEqual([]);
    const files = await bed.sql`SELECT source, uploaded_by, key FROM files`;
    expect(files).toEqual([{ source: 'pull', uploaded_by: 'partner', key: 'acme/P-1/mo.moyr540.data' }]);
    const events = await bed.sql`SELECT type FROM audit_events WHERE type LIKE 'pull.%' ORDER BY at, id`;
    expect(events.map(({ type }) => type)).toEqual(['pull.claimed', 'pull.landed', 'pull.completed']);
  });

  test('a file without bytes arrives too', async () => {
    const id = await bed.trigger(await putAtPartner(server, 'empty', ''));
    await bed.settle(worker);
    expect(await bed.read(id)).toMatchObject({ status: 'COMPLETED', size_bytes: '0' });
    expect(await landed()).toEqual([{ key: 'acme/P-1/empty', bytes: Buffer.alloc(0) }]);
  });

  test('a second trigger while it runs makes no second transfer, and one of a finished row is the next generation', async () => {
    const path = await putAtPartner(server, 'again.data', 'one');
    const id = await bed.trigger(path);
    const running = worker.runner.handle(id, neverStops);
    await bed.sql`UPDATE pulls SET status = 'TRIGGERED' WHERE id = ${id}`;
    await worker.runner.handle(id, neverStops);
    await running;
    await bed.settle(worker);
    expect(await bed.read(id)).toMatchObject({ status: 'COMPLETED', generation: 1 });
    expect(await landed()).toHaveLength(1);

    await putAtPartner(server, 'again.data', 'two!');
    await bed.sql`UPDATE pulls SET status = 'TRIGGERED' WHERE id = ${id}`;
    await bed.settle(worker);
    expect(await bed.read(id)).toMatchObject({ status: 'COMPLETED', generation: 2, size_bytes: '4' });
    expect((await landed()).map(({ bytes }) => String(bytes)).sort()).toEqual(['one', 'two!']);
    const events =
      await bed.sql`SELECT detail ->> 'generation' AS generation FROM audit_events WHERE type = 'pull.reopened'`;
    expect(events).toEqual([{ generation: '2' }]);
  });

  test('a wrong password is tried once, ends in ERROR and leaves the source as it is', async () => {
    const path = await putAtPartner(server, 'kept.data', 'kept');
    bed.setSecret('partner-password', 'wrong-hush');
    const before = server.logins?.length ?? 0;
    const ids = [await bed.trigger(path), await bed.trigger(await putAtPartner(server, 'other.data', 'other'))];
    for (const id of ids) await worker.runner.handle(id, neverStops);
    for (const id of ids)
      expect(await bed.read(id)).toMatchObject({
        status: 'ERROR',
        error_code: 'PULL_ERROR',
        error_cause: 'REMOTE_AUTH_FAILED',
      });
    expect(server.logins?.slice(before)).toEqual([{ user: 'partner', isAccepted: false }]);
    expect((await readdir(server.onDisk)).sort()).toEqual(['kept.data', 'other.data']);
    expect(await landed()).toEqual([]);
    // The secret is corrected: it counts at once.
    for (const [name, text] of Object.entries(server.secrets)) bed.setSecret(name, text);
    await bed.sql`UPDATE pulls SET status = 'TRIGGERED'`;
    const completed = ids.map(() => ({ status: 'COMPLETED', generation: 2 }));
    const read = async () => {
      // One of two at once may have to wait a moment for a connection.
      await bed.settle(worker);
      return await bed.sql`SELECT status, generation FROM pulls`;
    };
    await expect.poll(read, { timeout: 60_000 }).toEqual(completed);
  });

  test('what vanished, is elsewhere, or has a name that forges lines ends in ERROR with its cause', async () => {
    const cases = [
      [`${server.directory}nothing`, 'REMOTE_PATH_GONE'],
      ['/elsewhere/file', 'REMOTE_PLACE_REFUSED'],
      [`${server.directory}a\r\nDELE b`, 'NAME_REJECTED'],
      [`${server.directory}../up`, 'NAME_REJECTED'],
      [`${server.directory}a\u202eb`, 'NAME_REJECTED'],
    ] as const;
    for (const [path, cause] of cases) {
      const id = await bed.trigger(path);
      await bed.settle(worker);
      expect(await bed.read(id)).toMatchObject({ status: 'ERROR', error_code: 'PULL_ERROR', error_cause: cause });
    }
    const id = await bed.trigger(`${server.directory}x`, { remote: 'nobody' });
    await bed.settle(worker);
    expect(await bed.read(id)).toMatchObject({ status: 'ERROR', error_cause: 'REMOTE_UNKNOWN' });
  });

  test('a file that grows while it is fetched does not land; it does once it has settled', async () => {
    const path = await putAtPartner(server, 'grows.data', randomBytes(12_000_000));
    const id = await bed.trigger(path);
    let isGrown = false;
    bed.proxy.onAnswered(({ operation }) => {
      if (isGrown || !operation.startsWith('UploadPart')) return;
      isGrown = true;
      void appendFile(join(server.onDisk, 'grows.data'), randomBytes(2_000_000));
    });
    await worker.runner.handle(id, neverStops);
    bed.proxy.onAnswered(undefined);
    expect(isGrown).toBe(true);
    expect(await bed.read(id)).toMatchObject({ status: 'TRIGGERED', unsettled: 1, attempts: 0 });
    expect(await landed()).toEqual([]);
    await bed.makeDue();
    await bed.settle(worker);
    expect(await bed.read(id)).toMatchObject({ status: 'COMPLETED', size_bytes: '14000000' });
  });

  test('a file that was replaced before it is deleted is left untouched', async () => {
    const path = await putAtPartner(server, 'replaced.data', 'the first');
    const id = await bed.trigger(path);
    bed.proxy.onAnswered(({ operation }) => {
      if (!operation.startsWith('CompleteMultipartUpload')) return;
      void writeFile(join(server.onDisk, 'replaced.data'), 'the second, longer');
    });
    await worker.runner.handle(id, neverStops);
    bed.proxy.onAnswered(undefined);
    expect(await bed.read(id)).toMatchObject({ status: 'COMPLETED', source_replaced: true });
    expect(existsSync(join(server.onDisk, 'replaced.data'))).toBe(true);
    expect((await landed()).map(({ bytes }) => String(bytes))).toEqual(['the first']);
  });

  test('a worker that is gone at any request to the store leaves what another one finishes: once, whole, and cleaned', async () => {
    const content = randomBytes(PART_BYTES + 1_000);
    const times = { CreateMultipartUpload: [1], UploadPart: [1, 2], CompleteMultipartUpload: [1] };
    for (const [operation, nths] of Object.entries(times)) {
      for (const nth of nths) {
        const name = `${operation}-${nth}.data`;
        const id = await bed.trigger(await putAtPartner(server, name, content));
        let seen = 0;
        const dead = bed.startWorker();
        const gone = Promise.withResolvers<void>();
        bed.proxy.onAnswered((answered) => {
          if (!answered.operation.startsWith(operation)) return;
          seen += 1;
          // As a kill would: its lease is somebody else's from here on, and nothing it still does may count.
          if (seen === nth)
            void bed.sql`UPDATE pulls SET epoch = epoch + 1, lease_until = now() - interval '1 second' WHERE id = ${id}`.then(
              () => gone.resolve(),
            );
        });
        await Promise.race([dead.runner.handle(id, neverStops), gone.promise]);
        bed.proxy.onAnswered(undefined);
        // What the dead one still does may take the partner's connection once more, for which the other one waits.
        const finish = async () => {
          await bed.makeDue();
          await bed.settle(worker);
          return (await bed.read(id)).status;
        };
        await expect.poll(finish).toBe('COMPLETED');
        await dead.stop();
        expect(seen).toBeGreaterThanOrEqual(nth);
        const files = (await landed()).filter(({ key }) => key.endsWith(name));
        expect(files.map(({ key }) => key)).toEqual([`acme/P-1/${name}`]);
        // An assertion on the bytes takes a second to compare them.
        expect(files[0]?.bytes.equals(content)).toBe(true);
        expect(existsSync(join(server.onDisk, name))).toBe(false);
      }
    }
  });

  test('the next listing is when the schedule says by the database’s clock, whatever this machine’s says', async () => {
    await bed.applySource({ when: { cron: '0 0 1 1 *', timeZone: 'Etc/UTC' } });
    await bed.makeDue();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 40 * 86_400_000 });
    await bed.settle(worker).finally(() => vi.useRealTimers());
    const [source] = await bed.sql`
      SELECT round(extract(epoch FROM next_action_at - (date_trunc('year', now(), 'UTC') + interval '1 year')) / 3600) AS hours FROM sources`;
    expect(Number(source?.hours)).toBe(0);
  });

  test('a source fetches what it lists, once; what is kept is not fetched again, and a changed file is another one', async () => {
    await bed.applySource({ afterwards: 'keep', match: '*.csv' });
    await putAtPartner(server, 'a.csv', 'a');
    await putAtPartner(server, 'b.csv', 'bb');
    await putAtPartner(server, 'c.txt', 'no');
    await listThrice();
    expect((await landed()).map(({ key }) => key).sort()).toEqual(['acme/P-1/a.csv', 'acme/P-1/b.csv']);
    await putAtPartner(server, 'a.csv', 'changed');
    await listThrice();
    expect((await landed()).map(({ bytes }) => String(bytes)).sort()).toEqual(['a', 'bb', 'changed']);
    expect((await readdir(server.onDisk)).sort()).toEqual(['a.csv', 'b.csv', 'c.txt']);
  });

  test('the same name, size and time again after it was cleaned is a new pull', async () => {
    await bed.applySource({});
    const when = new Date('2025-10-26T00:30:00Z');
    for (let round = 0; round < 2; round += 1) {
      await putAtPartner(server, 'same.csv', 'same');
      await utimes(join(server.onDisk, 'same.csv'), when, when);
      await bed.makeDue();
      await bed.settle(worker);
    }
    expect(await bed.sql`SELECT status FROM pulls`).toEqual([{ status: 'COMPLETED' }, { status: 'COMPLETED' }]);
    expect(await landed()).toHaveLength(2);
  });

  test('a file is fetched only when its marker is there, and the checksum beside it counts', async () => {
    await bed.applySource({ ready: { marker: '.done' }, checksum: { sidecar: '.sha256' } });
    await putAtPartner(server, 'm.csv', 'content');
    await bed.settle(worker);
    expect(await bed.sql`SELECT status FROM pulls`).toEqual([{ status: 'SEEN' }]);
    await putAtPartner(server, 'm.csv.sha256', `${'0'.repeat(64)}  m.csv\n`);
    await putAtPartner(server, 'm.csv.done', '');
    await bed.makeDue();
    await bed.settle(worker);
    expect(await bed.sql`SELECT status, error_cause FROM pulls`).toEqual([
      { status: 'TRIGGERED', error_cause: 'CHECKSUM_MISMATCH' },
    ]);
    expect(await landed()).toEqual([]);
    await putAtPartner(server, 'm.csv.sha256', `${createHash('sha256').update('content').digest('hex')}  m.csv\n`);
    await bed.makeDue();
    await bed.settle(worker);
    expect(await bed.sql`SELECT status FROM pulls`).toEqual([{ status: 'COMPLETED' }]);
    expect(await readdir(server.onDisk)).toEqual([]);
  });

  test('ready: rename takes a file before it is read, and afterwards: move puts it away', async () => {
    await bed.applySource({
      ready: { rename: true },
      afterwards: { move: '/in/{{ name }}.taken' },
      exclude: '*.taken',
    });
    await putAtPartner(server, 'r.csv', 'mine');
    await bed.settle(worker);
    expect(await bed.sql`SELECT status, error_cause FROM pulls`).toEqual([{ status: 'COMPLETED', error_cause: null }]);
    expect(await readdir(server.onDisk)).toEqual(['r.csv.taken']);
  });

  test('a worker that ends once it has renamed a file leaves it to the next one, and the writer’s next file to another pull', async () => {
    await bed.applySource({ ready: { rename: true }, when: 'on-request' });
    await putAtPartner(server, 'k.csv', 'the first');
    const [listed] = await bed.sql`
      INSERT INTO pulls (tenant_id, source, project, remote, remote_path, identity_hash, status, last_listed_at)
      VALUES ('acme', 'in', 'P-1', 'partner', '/in/k.csv', 'of-the-first', 'TRIGGERED', now()) RETURNING id`;
    await rename(join(server.onDisk, 'k.csv'), join(server.onDisk, `k.csv.longshore-${listed?.id}`));
    await putAtPartner(server, 'k.csv', 'another');
    await listThrice();
    expect(await bed.sql`SELECT status FROM pulls`).toEqual([{ status: 'COMPLETED' }, { status: 'COMPLETED' }]);
    expect((await landed()).map(({ bytes }) => String(bytes)).toSorted()).toEqual(['another', 'the first']);
    expect(await readdir(server.onDisk)).toEqual([]);
  });

  test('a file that is no longer listed before it is ready is skipped', async () => {
    await bed.applySource({ ready: { stable: '1h' } });
    const path = await putAtPartner(server, 'gone.csv', 'x');
    await bed.settle(worker);
    await rm(join(server.onDisk, path.slice(server.directory.length)));
    await bed.makeDue();
    await bed.settle(worker);
    expect(await bed.sql`SELECT status FROM pulls`).toEqual([{ status: 'SKIPPED' }]);
  });

  test('identity: content fetches what changed, and lands only other bytes', async () => {
    await bed.applySource({ identity: 'content', afterwards: 'keep' });
    await putAtPartner(server, 'a.csv', 'the same');
    await listThrice();
    // Brought again with another time: the listing cannot tell that it is the same.
    await utimes(join(server.onDisk, 'a.csv'), new Date('2026-01-02'), new Date('2026-01-02'));
    await listThrice();
    const rows = await bed.sql`SELECT status, transfer_stage, file_id IS NOT NULL AS "hasFile" FROM pulls`;
    expect(rows).toEqual(Array(2).fill({ status: 'COMPLETED', transfer_stage: 'DONE', hasFile: true }));
    expect(await landed()).toHaveLength(1);
    expect(await bed.sql`SELECT count(DISTINCT file_id)::int AS n FROM pulls`).toEqual([{ n: 1 }]);
    await putAtPartner(server, 'a.csv', 'the next');
    await listThrice();
    expect((await landed()).map(({ bytes }) => String(bytes)).sort()).toEqual(['the next', 'the same']);
  });

  test('afterwards waits for the jobs of the file where the source says so', async () => {
    await bed.applySource({ afterwardsWhen: 'carried' });
    await putAtPartner(server, 'c.csv', 'x');
    await bed.settle(worker);
    await bed.makeDue();
    await bed.settle(worker);
    expect(await bed.sql`SELECT status, transfer_stage, wait_reason FROM pulls`).toEqual([
      { status: 'RUNNING', transfer_stage: 'LANDED', wait_reason: 'carried' },
    ]);
    expect(await readdir(server.onDisk)).toEqual(['c.csv']);
    await bed.sql`UPDATE files SET status = 'COMPLETED'`;
    await bed.makeDue();
    await bed.settle(worker);
    expect(await bed.sql`SELECT status FROM pulls`).toEqual([{ status: 'COMPLETED' }]);
    expect(await readdir(server.onDisk)).toEqual([]);
  });
});

test('with `hash: auto` a file lands only with the SHA-256 that the server tells', async () => {
  let checksum = '0'.repeat(64);
  const server = await startScriptedFtpsServer({
    FEAT: ({ reply }) => reply('211-Features\r\n MDTM\r\n MLSD\r\n SIZE\r\n XSHA256\r\n211 End'),
    async MLSD({ reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      const facts = `type=file;size=${SCRIPTED_CONTENT.length};modify=20260102030405;`;
      socket.end(`${facts} a b.csv\r\n`, () => reply('226 done'));
    },
    XSHA256: ({ reply }) => reply(`250 ${checksum.toUpperCase()}`),
    DELE: ({ reply }) => reply('250 gone'),
  });
  const puller = bed.startWorker();
  try {
    await bed.clear();
    await bed.useServer(server);
    await bed.applySource({ checksum: { hash: 'auto' } });
    await bed.settle(puller);
    expect(await bed.sql`SELECT status, error_cause FROM pulls`).toEqual([
      { status: 'TRIGGERED', error_cause: 'CHECKSUM_MISMATCH' },
    ]);
    expect(server.commands).toContain('XSHA256 "/in/a b.csv"');
    expect(server.commands.filter((command) => command.startsWith('DELE'))).toEqual([]);
    checksum = createHash('sha256').update(SCRIPTED_CONTENT).digest('hex');
    await bed.makeDue();
    await bed.settle(puller);
    expect(await bed.sql`SELECT status FROM pulls`).toEqual([{ status: 'COMPLETED' }]);
  } finally {
    await puller.stop();
    await server.stop();
  }
});

describe('what is cleaned up behind a pull', () => {
  /** A server with one file, whose deletes and renames a test answers. */
  async function clean(
    script: FtpsScript,
    work: (run: {
      readonly server: ScriptedFtpsServer;
      readonly settle: () => Promise<void>;
      readonly pulls: () => Promise<unknown>;
    }) => Promise<void>,
    fields: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const server = await startScriptedFtpsServer({
      async MLSD({ reply, data }) {
        const socket = await data();
        reply('150 here it comes');
        const size = SCRIPTED_CONTENT.length;
        socket.end(`type=file;size=${size};modify=20260102030405; a.csv\r\n`, () => reply('226 done'));
      },
      ...script,
    });
    const puller = bed.startWorker();
    try {
      await bed.clear();
      for (const { key, versionId } of (await bed.store.listVersions({ bucket: LANDING })).items)
        await bed.store.deleteVersion({ bucket: LANDING, key, versionId });
      await bed.useServer(server);
      await bed.applySource({ retry: { maxAttempts: 2, firstDelay: '1s' }, ...fields });
      await work({
        server,
        async settle() {
          await bed.makeDue();
          await bed.settle(puller);
        },
        pulls: () =>
          bed.sql`SELECT status, error_code AS code, error_cause AS cause, source_replaced AS replaced FROM pulls`,
      });
    } finally {
      await puller.stop();
      await server.stop();
    }
  }
  const fetches = ({ commands }: ScriptedFtpsServer) => commands.filter((command) => command.startsWith('RETR')).length;
  const COMPLETED = { status: 'COMPLETED', code: null, cause: null, replaced: false };

  test.each<[string, FtpsScript, Readonly<Record<string, unknown>>, string]>([
    ['a delete that is refused', { DELE: ({ reply }) => reply('550 no') }, {}, 'REMOTE_DENIED'],
    ['a move whose name is taken', {}, { afterwards: { move: '/in/done/{{ name }}' } }, 'REMOTE_EXISTS'],
  ])(
    '%s ends in an error, fetches nothing twice, and is done when it is triggered again',
    async (_name, script, fields, cause) => {
      let isAllowed = false;
      const good: FtpsScript = {
        DELE: (command) => (isAllowed ? command.reply('250 gone') : script.DELE?.(command)),
        SIZE: ({ reply, argument }) =>
          isAllowed && argument.includes('done') ? reply('550 none') : reply(`213 ${SCRIPTED_CONTENT.length}`),
        RNTO: ({ reply }) => reply('250 renamed'),
      };
      await clean(
        good,
        async ({ server, settle, pulls }) => {
          for (let times = 0; times < 4; times += 1) await settle();
          const failed = { status: 'ERROR', code: 'PULL_CLEANUP_ERROR', cause, replaced: false };
          expect(await pulls()).toEqual([failed]);
          isAllowed = true;
          await settle();
          expect(await pulls(), 'nobody asked for it').toEqual([failed]);
          await bed.sql`UPDATE pulls SET status = 'TRIGGERED'`;
          await settle();
          expect(await pulls()).toEqual([COMPLETED]);
          expect(fetches(server)).toBe(1);
          expect(await landed()).toHaveLength(1);
        },
        fields,
      );
    },
  );

  test.each([
    ['the file is gone', '550 none', false],
    ['another file has its name', '213 7', true],
  ])('a delete whose reply is lost is not sent again where %s', async (_name, size, replaced) => {
    let isDeleted = false;
    const script: FtpsScript = {
      DELE({ control }) {
        isDeleted = true;
        control.destroy();
      },
      SIZE: ({ reply }) => reply(isDeleted ? size : `213 ${SCRIPTED_CONTENT.length}`),
      async MLSD({ reply, data }) {
        const socket = await data();
        reply('150 here it comes');
        const line = `type=file;size=${SCRIPTED_CONTENT.length};modify=20260102030405; a.csv\r\n`;
        socket.end(isDeleted ? '' : line, () => reply('226 done'));
      },
    };
    await clean(script, async ({ server, settle, pulls }) => {
      for (let times = 0; times < 3; times += 1) await settle();
      expect(await pulls()).toEqual([{ ...COMPLETED, replaced }]);
      expect(server.commands.filter((command) => command.startsWith('DELE'))).toHaveLength(1);
      expect(fetches(server)).toBe(1);
    });
  });
});

test('a source tells of entries that it passes over, fetches the others, and forgets it once they are gone', async () => {
  const facts = `type=file;size=${SCRIPTED_CONTENT.length};modify=20260102030405;`;
  let more = `${facts} ../\u202eevil.csv\r\nMigrated BANK.B\r\n${facts} \u202egpj.csv\r\n`;
  const server = await startScriptedFtpsServer({
    async MLSD({ reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      socket.end(`type=cdir; .\r\n${facts} a.csv\r\n${more}`, () => reply('226 done'));
    },
    DELE: ({ reply }) => reply('250 gone'),
  });
  const puller = bed.startWorker();
  const source = async () => {
    const [row] = await bed.sql`SELECT failures, listed_files, error_code, error_message FROM sources`;
    return row;
  };
  try {
    await bed.clear();
    await bed.useServer(server);
    await bed.applySource({ afterwards: 'keep' });
    await bed.settle(puller);
    expect(await source()).toEqual({
      ...{ failures: 0, listed_files: 1, error_code: 'SOURCE_ENTRIES_PASSED_OVER' },
      error_message: expect.stringMatching(/^2 entries are passed over, the first: [ -~]+$/),
    });
    expect(await bed.sql`SELECT status, file_name FROM pulls`).toEqual([{ status: 'COMPLETED', file_name: 'a.csv' }]);

    more = '';
    await bed.makeDue();
    await bed.settle(puller);
    expect(await source()).toEqual({ failures: 0, listed_files: 1, error_code: null, error_message: null });
  } finally {
    await puller.stop();
    await server.stop();
  }
});

test.each([
  ['a size that no number holds', 'type=file;size=99999999999999999999;modify=20260102030405; huge.csv'],
  ['a size below nothing', 'type=file;size=-5;modify=20260102030405; less.csv'],
  ['a name that comes again as another file', 'type=file;size=7;modify=20260102030405; a.csv'],
])('of a listing with %s the other files are fetched', async (_name, line) => {
  const server = await startScriptedFtpsServer({
    async MLSD({ reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      const good = `type=file;size=${SCRIPTED_CONTENT.length};modify=20260102030405;`;
      socket.end(`${good} a.csv\r\n${line}\r\n${good} b.csv\r\n`, () => reply('226 done'));
    },
  });
  const puller = bed.startWorker();
  try {
    await bed.clear();
    await bed.useServer(server);
    await bed.applySource({ afterwards: 'keep' });
    await bed.settle(puller);
    expect(await bed.sql`SELECT status, file_name AS name FROM pulls ORDER BY file_name`).toEqual([
      { status: 'COMPLETED', name: 'a.csv' },
      { status: 'COMPLETED', name: 'b.csv' },
    ]);
    expect(await bed.sql`SELECT error_code AS code, error_message AS message FROM sources`).toEqual([
      { code: 'SOURCE_ENTRIES_PASSED_OVER', message: expect.stringContaining(line.split(' ')[1] ?? '') },
    ]);
  } finally {
    await puller.stop();
    await server.stop();
  }
});

test('a server may take longer for its names than the lease of the listing lasts', async () => {
  const server = await startScriptedFtpsServer({
    async MLSD({ reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      const line = (name: string) => `type=file;size=5;modify=20260102030405; ${name}\r\n`;
      for (let index = 0; index < 10; index += 1) {
        socket.write(line(`${index}.csv`));
        await setTimeout(500);
      }
      socket.end(() => reply('226 done'));
    },
  });
  const puller = bed.startWorker({ leaseMs: 2_000 });
  try {
    await bed.clear();
    await bed.useServer(server);
    await bed.applySource({ ready: { age: 3_600_000 } });
    await bed.settle(puller);
    expect(await bed.sql`SELECT listed_files AS files, error_code AS code FROM sources`).toEqual([
      { files: 10, code: null },
    ]);
  } finally {
    await puller.stop();
    await server.stop();
  }
});

test('a checksum file that never ends is read no further than one may be long', async () => {
  let sent = 0;
  const server = await startScriptedFtpsServer({
    async MLSD({ reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      const facts = `type=file;size=${SCRIPTED_CONTENT.length};modify=20260102030405;`;
      socket.end(`${facts} a.csv\r\n${facts} a.csv.sha256\r\n`, () => reply('226 done'));
    },
    async RETR({ argument, reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      if (!argument.endsWith('.sha256')) return void socket.end(SCRIPTED_CONTENT, () => reply('226 done'));
      // 16 MiB: with what the sockets hold, far more than is taken.
      for (; sent < 256 && !socket.destroyed; sent += 1)
        if (!socket.write(Buffer.alloc(65_536)))
          await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
      socket.end(() => reply('226 done'));
    },
  });
  const puller = bed.startWorker();
  try {
    await bed.clear();
    await bed.useServer(server);
    await bed.applySource({ checksum: { sidecar: '.sha256' }, retry: { maxAttempts: 1, firstDelay: 1_000 } });
    await bed.settle(puller);
    expect(await bed.sql`SELECT status, error_cause AS cause FROM pulls`).toEqual([
      { status: 'ERROR', cause: 'CHECKSUM_SIDECAR_MISSING' },
    ]);
    expect(sent).toBeLessThan(256);
    expect(server.commands.filter((command) => command.startsWith('DELE'))).toEqual([]);
  } finally {
    await puller.stop();
    await server.stop();
  }
});

test.each([700_000_000_000, Number.MAX_SAFE_INTEGER])(
  'a file of which the remote says that it has %i bytes is not begun',
  async (size) => {
    const server = await startScriptedFtpsServer({ SIZE: ({ reply }) => reply(`213 ${size}`) });
    const puller = bed.startWorker();
    try {
      await bed.clear();
      await bed.useServer(server);
      const id = await bed.trigger('/in/huge.bin');
      await bed.settle(puller);
      expect(await bed.read(id)).toMatchObject({ status: 'ERROR', error_cause: 'FILE_TOO_LARGE', attempts: 1 });
      expect(server.commands.filter((command) => /^(?:RETR|DELE)/.test(command))).toEqual([]);
    } finally {
      await puller.stop();
      await server.stop();
    }
  },
);

test.each([1, 2, 3])(
  'a data set of z/OS, which has no size, does not land when the end of read %i is missing',
  async (cut) => {
    const header = 'Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname';
    let reads = 0;
    const server = await startScriptedFtpsServer({
      FEAT: ({ reply }) => reply('211 none'),
      async LIST({ reply, data }) {
        const socket = await data();
        reply('125 List started OK');
        const listing = `${header}\r\nWORK01 3390   2026/11/29  1   15  FB      80  8000  PS  STMT\r\n`;
        socket.end(listing, () => reply('250 List completed'));
      },
      async RETR({ reply, data }) {
        const socket = await data();
        reply('125 Sending data set');
        reads += 1;
        // It says that this was all.
        socket.end(SCRIPTED_CONTENT.slice(0, reads === cut ? 1_000 : undefined), () => reply('250 Transfer completed'));
      },
    });
    const puller = bed.startWorker();
    try {
      await bed.clear();
      for (const { key, versionId } of (await bed.store.listVersions({ bucket: LANDING })).items)
        await bed.store.deleteVersion({ bucket: LANDING, key, versionId });
      const remote = { ...server.remote, dialect: 'zos', paths: ['/BANK.DAILY./'] } as PartnerFileServer['remote'];
      await bed.useServer({ ...server, remote });
      await bed.applySource({ afterwards: 'keep', identity: 'name', directory: '/BANK.DAILY./' });
      await bed.settle(puller);
      expect(reads).toBeGreaterThanOrEqual(cut);
      expect(await landed()).toEqual([]);

      await vi.waitFor(
        async () => {
          await bed.makeDue();
          await bed.settle(puller);
          expect(await bed.sql`SELECT status FROM pulls`).toEqual([{ status: 'COMPLETED' }]);
        },
        { timeout: 60_000 },
      );
      expect(await landed()).toEqual([{ key: 'acme/P-1/STMT', bytes: Buffer.from(SCRIPTED_CONTENT) }]);
      expect(server.commands.filter((command) => /^(?:DELE|RNFR)/.test(command))).toEqual([]);
    } finally {
      await puller.stop();
      await server.stop();
    }
  },
);
