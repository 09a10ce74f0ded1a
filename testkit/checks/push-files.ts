/** `push` to servers of partners, and a killed or cut-off push at every row of its table. */
import { randomBytes } from 'node:crypto';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { calendarDocumentSchema } from '#shared/definitions/calendar-schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import type { RemoteConnection } from '#shared/remotes/remote-connection.ts';
import { RemoteError } from '#shared/remotes/remote-error.ts';
import { confirmOptions } from '#shared/steps/confirm/options.ts';
import { confirmStep } from '#shared/steps/confirm/run.ts';
import { pushOptions } from '#shared/steps/push/options.ts';
import { tempNameOf } from '#shared/steps/push/push-places.ts';
import { pushStep } from '#shared/steps/push/run.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import { type KeptConnection, targetsOf } from '#testkit/beds/remote-bed.ts';
import { memoryEffectLog, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import type { PartnerFileServer, PartnerServerKind } from '#testkit/servers/partner-file-servers.ts';

type Wrap = (connection: RemoteConnection) => RemoteConnection;

export function pushFiles(servers: readonly PartnerServerKind[]): void {
  let bench: StepBench;
  beforeAll(async () => {
    bench = await startStepBench();
  });
  afterAll(() => bench.stop());

  for (const { name, start, missing } of servers) {
    describe.skipIf(missing !== undefined)(missing === undefined ? name : `${name} (skipped: ${missing})`, () => {
      let server: PartnerFileServer;
      const kept: KeptConnection = {};
      beforeAll(async () => {
        server = await start();
      });
      afterAll(async () => {
        await kept.connection?.close();
        await server?.stop();
      });
      afterEach(async () => {
        for (const file of await readdir(server.onDisk)) await rm(join(server.onDisk, file), { recursive: true });
      });

      const names = async () => (await readdir(server.onDisk)).sort();
      const content = (file: string) => readFile(join(server.onDisk, file));

      function push(object: ObjectLocation, request: Record<string, unknown> = {}) {
        const { options = {}, wrap, ...rest } = request;
        return runStep(bench, {
          ...{ step: pushStep, kind: pushOptions, object, targets: targetsOf(server, wrap as Wrap | undefined, kept) },
          options: { remote: 'partner', path: `${server.directory}{{ name }}`, ...(options as object) },
          ...rest,
        });
      }

      test('the file is there whole under its name, with its marker, and only once', async () => {
        const bytes = randomBytes(300_001);
        const object = await bench.land('statement.csv', bytes);
        const effects = memoryEffectLog();
        const options = { marker: '{{ name }}.done', verify: 'readback' };
        expect(await push(object, { options, effects })).toMatchObject({
          type: 'succeeded',
          output: {
            path: `${server.directory}statement.csv`,
            sizeBytes: 300_001,
            sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          },
        });
        expect(await names()).toEqual(['statement.csv', 'statement.csv.done']);
        expect(await content('statement.csv')).toEqual(bytes);
        // The partner takes both; whoever repeats the step brings none of them back.
        for (const file of await names()) await rm(join(server.onDisk, file));
        expect(await push(object, { options, effects })).toMatchObject({
          type: 'succeeded',
          output: { wasThere: true },
        });
        expect(await names()).toEqual([]);
      });

      test.each<[string, (temp: string, path: string, file: Buffer) => Promise<void>, string, string[]]>([
        [
          'in the middle of its upload goes on',
          async (temp, _path, file) => writeFile(temp, file.subarray(0, 1_000)),
          'succeeded',
          ['a.csv'],
        ],
        ['before the rename renames', async (temp, _path, file) => writeFile(temp, file), 'succeeded', ['a.csv']],
        ['after the rename finds it', async (_temp, path, file) => writeFile(path, file), 'succeeded', ['a.csv']],
        ['after the partner took it does not send it again', async () => {}, 'ambiguous', []],
        [
          'after another file took its name does not send it again',
          async (_temp, path) => writeFile(path, 'other'),
          'ambiguous',
          ['a.csv'],
        ],
      ])('a push that was killed %s', async (_name, left, came, shown) => {
        const file = randomBytes(5_000);
        const object = await bench.land('a.csv', file);
        const effects = memoryEffectLog();
        const path = `${server.directory}a.csv`;
        const temp = tempNameOf(path, 'acme/job-1/1');
        const onDisk = (remote: string) => join(server.onDisk, remote.slice(server.directory.length));
        await effects.begin(0);
        await effects.write(0, 'COMMITTING', {
          remote: 'partner',
          path,
          temp,
          sizeBytes: file.length,
          fingerprint: 'x',
        });
        await left(onDisk(temp), onDisk(path), file);
        // As if the partner's own user had written it.
        for (const each of await names()) await chmod(join(server.onDisk, each), 0o666);
        expect(await push(object, { effects })).toMatchObject({ type: came });
        expect(await names()).toEqual(shown);
        if (came === 'succeeded') expect(await content('a.csv')).toEqual(file);
      });

      test('an upload that was cut off with holes in it is written again, though its size is whole', async ({
        skip,
      }) => {
        skip(server.remote.type !== 'sftp', 'over FTP bytes come one after the other');
        const file = randomBytes(3_000_000);
        const object = await bench.land('holes.csv', file);
        const temp = tempNameOf(`${server.directory}holes.csv`, 'acme/job-1/1').slice(server.directory.length);
        const cut = Buffer.from(file).fill(0, 1_500_000, 1_600_000);
        await writeFile(join(server.onDisk, temp), cut);
        await chmod(join(server.onDisk, temp), 0o666);
        expect(await push(object)).toMatchObject({ type: 'succeeded' });
        expect(await content('holes.csv')).toEqual(file);
      });

      test('a name that somebody else has is left alone, overwritten, or numbered, as the route says', async () => {
        await writeFile(join(server.onDisk, 'b.csv'), 'theirs');
        const object = await bench.land('b.csv', 'ours');
        expect(await push(object)).toMatchObject({ type: 'failed', cause: 'PUSH_TARGET_EXISTS' });
        expect(String(await content('b.csv'))).toBe('theirs');
        const effects = memoryEffectLog();
        for (let time = 0; time < 2; time += 1)
          await push(object, { options: { onExisting: 'number' }, effects, jobId: 'job-2' });
        expect(await names()).toEqual(['b-2.csv', 'b.csv']);
        await push(object, { options: { onExisting: 'overwrite' }, jobId: 'job-3' });
        expect(String(await content('b.csv'))).toBe('ours');
      });

      test('a rename whose reply is lost is asked about, and not repeated', async () => {
        const object = await bench.land('c.csv', 'c');
        let renames = 0;
        const wrap: Wrap = (connection) => ({
          ...bound(connection),
          async rename(from, to, options) {
            renames += 1;
            await connection.rename(from, to, options);
            throw new RemoteError('lost', 'the connection closed');
          },
        });
        expect(await push(object, { wrap })).toMatchObject({
          type: 'succeeded',
          output: { path: `${server.directory}c.csv` },
        });
        expect([renames, await names()]).toEqual([1, ['c.csv']]);
      });

      test.each<[string, Partial<RemoteConnection>, string]>([
        [
          'rename',
          { rename: () => Promise.reject(new RemoteError('denied', 'no', { reply: 553 })) },
          'PUSH_RENAME_REFUSED',
        ],
        ['write', { write: () => Promise.reject(new RemoteError('no-space', 'no', { reply: 552 })) }, 'PUSH_NO_SPACE'],
        [
          'rename for want of space',
          { rename: () => Promise.reject(new RemoteError('no-space', 'no', { reply: 552 })) },
          'PUSH_NO_SPACE',
        ],
      ])('a server that refuses to %s has no final name, and is tried again', async (_name, refuses, cause) => {
        const object = await bench.land('refused.csv', 'r');
        const effects = memoryEffectLog();
        const wrap: Wrap = (connection) => ({ ...bound(connection), ...refuses });
        expect(await push(object, { wrap, effects })).toMatchObject({ type: 'retry', cause });
        expect(await names()).not.toContain('refused.csv');
        expect(await push(object, { effects })).toMatchObject({ type: 'succeeded' });
        expect(await names()).toEqual(['refused.csv']);
      });

      test('a server without space for the marker has the file, which is not sent again', async () => {
        const object = await bench.land('marked.csv', 'm');
        const effects = memoryEffectLog();
        const options = { marker: '{{ name }}.done' };
        const wrap: Wrap = (connection) => ({
          ...bound(connection),
          write: (path, body, writing) =>
            path.endsWith('.done')
              ? Promise.reject(new RemoteError('no-space', 'no', { reply: 552 }))
              : connection.write(path, body, writing),
        });
        expect(await push(object, { options, effects, wrap })).toMatchObject({ type: 'retry', cause: 'PUSH_NO_SPACE' });
        expect(await names()).toEqual(['marked.csv']);
        await writeFile(join(server.onDisk, 'marked.csv'), 'M');
        expect(await push(object, { options, effects })).toMatchObject({ type: 'succeeded' });
        expect(await names()).toEqual(['marked.csv', 'marked.csv.done']);
        expect(String(await content('marked.csv'))).toBe('M');
      });

      test('a server that takes no account of case has a file once, and keeps what has its name', async () => {
        await writeFile(join(server.onDisk, 'theirs.csv'), 'theirs');
        const lower = (path: string) => path.replace(/[^/]*$/, (name) => name.toLowerCase());
        const theirs = await bench.land('Theirs.CSV', 'ours');
        const wrap = named(lower, lower);
        expect(await push(theirs, { wrap })).toMatchObject({ type: 'failed', cause: 'PUSH_TARGET_EXISTS' });
        const losing: Wrap = (connection) => losingRename(wrap(connection));
        const object = await bench.land('Report.CSV', 'r');
        const jobId = 'job-2';
        expect(await push(object, { wrap: losing, jobId })).toMatchObject({ type: 'succeeded' });
        expect(await names()).toEqual(['report.csv', 'theirs.csv']);
        expect(String(await content('theirs.csv'))).toBe('theirs');
      });

      test('a server that writes a final name otherwise has the file once: where a reply is lost, it is in doubt', async () => {
        const trimmed = (path: string) => path.replace(/ x\.csv$/, 'x.csv');
        const wrap = named(trimmed, (path) => path);
        const object = await bench.land('a x.csv', 'x');
        const losing: Wrap = (connection) => losingRename(wrap(connection));
        const effects = memoryEffectLog();
        expect(await push(object, { wrap: losing, effects })).toMatchObject({
          ...{ type: 'ambiguous', cause: 'EFFECT_UNKNOWN' },
        });
        expect(await push(object, { wrap, effects })).toMatchObject({ type: 'ambiguous' });
        expect(await names()).toEqual(['ax.csv']);
      });

      test('a server that writes the temporary name otherwise never has the final one', async () => {
        const object = await bench.land('t.csv', 't');
        const wrap: Wrap = (connection) => ({
          ...bound(connection),
          write: (path, body, options) => connection.write(path.replace(/\.part$/, '_part'), body, options),
        });
        expect(await push(object, { wrap })).toMatchObject({ type: 'retry', cause: 'SIZE_MISMATCH' });
        expect(await names()).not.toContain('t.csv');
      });

      test('a file waits for the window, on the days and in the time zone of its calendar', async () => {
        const object = await bench.land('night.csv', 'n');
        const calendar = calendarDocumentSchema.parse({
          ...{ kind: 'calendar', tenant: 'acme', name: 'target', timeZone: 'Europe/Berlin', holidays: ['2026-05-01'] },
        });
        const options = { window: { from: '22:00', to: '05:00', calendar: 'target' } };
        const at = (time: string, found: typeof calendar | undefined = calendar) =>
          push(object, {
            ...{ options, now: new Date(time) },
            targets: { ...targetsOf(server, undefined, kept), findCalendar: async () => found },
          });
        expect(await at('2026-05-01T20:30:00Z')).toMatchObject({ type: 'wait', reason: 'WINDOW' });
        expect(await at('2026-05-04T19:59:00Z')).toMatchObject({ type: 'wait', afterMs: 60_000 });
        const none = await push(object, { options, now: new Date() });
        expect(none).toMatchObject({ type: 'retry', cause: 'CALENDAR_UNKNOWN' });
        // The night before the holiday belongs to the day on which it begins.
        expect(await at('2026-05-01T02:59:00Z')).toMatchObject({ type: 'succeeded' });
      });

      test('a worker that wakes up late finds no temporary name, and changes nothing', async () => {
        const object = await bench.land('d.csv', 'd');
        const effects = memoryEffectLog();
        const wrap: Wrap = (connection) => ({
          ...bound(connection),
          async rename(from, to, options) {
            // Another worker has done it meanwhile, and the partner has taken the file.
            await connection.rename(from, to, options);
            await connection.remove(to);
            return await connection.rename(from, to, options);
          },
        });
        expect(await push(object, { wrap, effects })).toMatchObject({ type: 'ambiguous', cause: 'EFFECT_UNKNOWN' });
        expect(await names()).toEqual([]);
        expect(await push(object, { effects, options: { pickedUp: 'delivered' } })).toMatchObject({
          ...{ type: 'succeeded', output: { pickedUp: true } },
        });
      });

      test('bytes that are damaged there never get the final name', async () => {
        const object = await bench.land('e.csv', 'true content');
        const wrap: Wrap = (connection) => ({
          ...bound(connection),
          write: (path) => connection.write(path, pieces('fake content')),
        });
        expect(await push(object, { wrap, options: { verify: 'readback' } })).toMatchObject({
          type: 'retry',
          cause: 'CHECKSUM_MISMATCH',
        });
        expect(await names()).toEqual([]);
        const short: Wrap = (connection) => ({
          ...bound(connection),
          write: (path) => connection.write(path, pieces('tru')),
        });
        expect(await push(object, { wrap: short })).toMatchObject({ type: 'retry', cause: 'SIZE_MISMATCH' });
        expect(await names()).toEqual([]);
      });

      describe('without a temporary name', () => {
        const direct = { temp: 'none', acceptPartial: true };
        const damaging =
          (text: string): Wrap =>
          (connection) => ({ ...bound(connection), write: (path) => connection.write(path, pieces(text)) });

        test.each([
          ['short', 'tru', {}, 'SIZE_MISMATCH'],
          ['damaged', 'fake content', { verify: 'readback' }, 'CHECKSUM_MISMATCH'],
        ])('a file that came %s is sent again under the name that it has', async (_name, text, more, cause) => {
          const object = await bench.land('g.csv', 'true content');
          const effects = memoryEffectLog();
          const options = { ...direct, ...more, onExisting: 'number' };
          const first = await push(object, { wrap: damaging(text), effects, options });
          expect(first).toMatchObject({ type: 'retry', cause });
          expect(await push(object, { effects, options })).toMatchObject({
            ...{ type: 'succeeded', output: { isSeen: true } },
          });
          expect(await names()).toEqual(['g.csv']);
          expect(String(await content('g.csv'))).toBe('true content');
        });

        test('a larger file that has the name after a lost reply is of somebody else, and stays', async () => {
          const object = await bench.land('h.csv', 'ours');
          const effects = memoryEffectLog();
          const path = `${server.directory}h.csv`;
          await effects.begin(0);
          const facts = { remote: 'partner', path, sizeBytes: 4, fingerprint: 'x' };
          await effects.write(0, 'COMMITTING', facts);
          await writeFile(join(server.onDisk, 'h.csv'), 'of somebody else');
          expect(await push(object, { effects, options: direct })).toMatchObject({ type: 'ambiguous' });
          expect(String(await content('h.csv'))).toBe('of somebody else');
        });
      });

      test('what became of a file that is gone is said only where it was seen', async () => {
        const confirm = (pushed: StepOutcome) =>
          runStep(bench, {
            ...{ step: confirmStep, kind: confirmOptions, object, targets: targetsOf(server, undefined, kept) },
            outputs: { push: (pushed.type === 'succeeded' && pushed.output) || {} },
          });
        const object = await bench.land('seen.csv', 's');
        const seen = await push(object);
        expect(await confirm(seen)).toMatchObject({ type: 'succeeded', output: { sizeBytes: 1 } });
        await rm(join(server.onDisk, 'seen.csv'));
        expect(await confirm(seen)).toMatchObject({ type: 'succeeded', output: { pickedUp: true } });

        const taking: Wrap = (connection) => ({
          ...bound(connection),
          async rename(from, to, options) {
            await connection.rename(from, to, options);
            await connection.remove(to);
          },
        });
        const taken = await push(object, { wrap: taking, jobId: 'job-2' });
        expect(taken).toMatchObject({ type: 'succeeded', output: { isSeen: false } });
        expect(await confirm(taken)).toMatchObject({ type: 'wait', reason: 'PUSHED_FILE' });
      });

      test('a connection that is lost after the rename does not undo it', async () => {
        const object = await bench.land('kept.csv', 'k');
        let isRenamed = false;
        const wrap: Wrap = (connection) => ({
          ...bound(connection),
          async rename(from, to, options) {
            await connection.rename(from, to, options);
            isRenamed = true;
          },
          stat: (path) =>
            isRenamed ? Promise.reject(new RemoteError('lost', 'the connection closed')) : connection.stat(path),
        });
        expect(await push(object, { wrap })).toMatchObject({ type: 'succeeded' });
        expect(await names()).toEqual(['kept.csv']);
      });

      test('outside of what the remote allows, nothing is asked of it', async () => {
        const object = await bench.land('f.csv', 'f');
        expect(await push(object, { options: { path: '/elsewhere/{{ name }}' } })).toMatchObject({
          type: 'failed',
          cause: 'REMOTE_PLACE_REFUSED',
        });
        expect(
          await push(object, { options: { path: `${server.directory}{{ stem }}/../x` } }).catch(() => 'refused'),
        ).toBe('refused');
      });
    });
  }
}

/** A server that makes files under other names than it is told, by `made`, and looks for those that are asked for by `sought`. */
function named(made: (path: string) => string, sought: (path: string) => string): Wrap {
  return (connection) => ({
    ...bound(connection),
    stat: (path) => connection.stat(sought(path)),
    read: (path, offset) => connection.read(sought(path), offset),
    remove: (path) => connection.remove(sought(path)),
    write: (path, body, options) => connection.write(made(path), body, options),
    rename: (from, to, options) => connection.rename(sought(from), made(to), options),
  });
}

function losingRename(connection: RemoteConnection): RemoteConnection {
  return {
    ...connection,
    async rename(from, to, options) {
      await connection.rename(from, to, options);
      throw new RemoteError('lost', 'the connection closed');
    },
  };
}

/** Methods of the connection, to be replaced one by one. */
function bound(connection: RemoteConnection): RemoteConnection {
  return {
    fingerprint: connection.fingerprint,
    unsureTailBytes: connection.unsureTailBytes,
    certificateEndsAt: connection.certificateEndsAt,
    isUsable: true,
    list: (directory) => connection.list(directory),
    stat: (path) => connection.stat(path),
    read: (path, offset) => connection.read(path, offset),
    write: (path, body, options) => connection.write(path, body, options),
    rename: (from, to, options) => connection.rename(from, to, options),
    remove: (path) => connection.remove(path),
    close: () => connection.close(),
  };
}

async function* pieces(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
