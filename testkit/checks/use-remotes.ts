/** What every connection does, whatever the server. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RemoteDocument } from '#shared/definitions/remote-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { openRemote, readRemoteSecrets } from '#shared/remotes/open-remote.ts';
import type { RemoteConnection, RemoteEntry } from '#shared/remotes/remote-connection.ts';
import { makeSshKey, type PartnerFileServer, type PartnerServerKind } from '#testkit/servers/partner-file-servers.ts';

const guard = createAddressGuard({ allow: ['127.0.0.0/8'] });

function secretStoreOf(secrets: Readonly<Record<string, string>>) {
  return {
    read: async (name: string) => {
      const text = secrets[name];
      if (text === undefined) throw new Error(`no secret ${name}`);
      return { text, version: createHash('sha256').update(text).digest('hex') };
    },
  };
}

async function open(server: PartnerFileServer, change: Partial<RemoteDocument> = {}, secrets = server.secrets) {
  // A server may take many seconds before its first answer, or before it refuses a password.
  const timeouts = { ...server.remote.timeouts, connect: 50_000 };
  const remote = { ...server.remote, timeouts, ...change } as RemoteDocument;
  return await openRemote(remote, await readRemoteSecrets(remote, secretStoreOf(secrets)), { guard });
}

async function gather(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

async function* inPieces(bytes: Buffer, size = 100_000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export function useRemotes(servers: readonly PartnerServerKind[]): void {
  for (const { name, missing, start } of servers) {
    describe.skipIf(missing !== undefined)(missing === undefined ? name : `${name} (skipped: ${missing})`, () => {
      let server: PartnerFileServer;
      let connection: RemoteConnection;
      const at = (file: string): string => `${server.directory}${file}`;
      const onDisk = (file: string): string => join(server.onDisk, file);

      beforeAll(async () => {
        server = await start();
        connection = await open(server);
      });

      afterAll(async () => {
        await connection?.close();
        await server?.stop();
      });

      afterEach(async () => {
        if (!connection.isUsable) connection = await open(server);
      });

      test('several uses share a connection where the protocol can, and one that ends leaves the others alone', async ({
        skip,
      }) => {
        skip(server.remote.type !== 'sftp', 'FTP and HTTP do one thing at a time');
        const contents = Array.from({ length: 8 }, () => randomBytes(700_001));
        const uses = contents.map(() => connection.share?.() as RemoteConnection);
        const lost = connection.share?.() as RemoteConnection;
        const reading = gather(lost.read(at('shared-0')));
        reading.catch(() => {});
        await Promise.all(
          uses.map(async (use, index) => await use.write(at(`shared-${index}`), inPieces(contents[index] as Buffer))),
        );
        await lost.close();
        await expect(lost.stat(at('shared-1'))).rejects.toMatchObject({ fault: 'lost' });
        const read = await Promise.all(uses.map((use, index) => gather(use.read(at(`shared-${index}`)))));
        expect(read.every((bytes, index) => bytes.equals(contents[index] as Buffer))).toBe(true);
        await Promise.all(uses.map((use) => use.close()));
        expect(connection.isUsable).toBe(true);
        for (const index of uses.keys()) await connection.remove(at(`shared-${index}`));
      });

      test('a file is written, found, read from any place, renamed and removed', async () => {
        const content = randomBytes(3_000_001);
        expect(await connection.write(at('.a.part'), inPieces(content))).toBe(content.length);
        expect(await readFile(onDisk('.a.part'))).toEqual(content);
        await connection.rename(at('.a.part'), at('a.bin'));
        expect(await connection.stat(at('a.bin'))).toMatchObject({ sizeBytes: content.length });
        expect(await gather(connection.read(at('a.bin')))).toEqual(content);
        expect(await gather(connection.read(at('a.bin'), 1_234_567))).toEqual(content.subarray(1_234_567));
        expect(await connection.stat(at('.a.part'))).toBeUndefined();
        await connection.remove(at('a.bin'));
        expect(await connection.stat(at('a.bin'))).toBeUndefined();
        await expect(connection.remove(at('a.bin'))).rejects.toMatchObject({ fault: 'path-gone' });
        expect(connection.isUsable).toBe(true);
      });

      test('a file that is written and looked at in one go is whole, whatever its size', async ({ skip }) => {
        skip(connection.writeAndStat === undefined, 'it would save nothing');
        const uses = Array.from({ length: 4 }, () => connection.share?.() as RemoteConnection);
        const sizes = [0, 1, 10_240, 32_768, 131_072, 131_073, 700_001];
        await Promise.all(
          uses.map(async (use, index) => {
            for (const size of sizes) {
              const [path, content] = [at(`looked-${index}`), randomBytes(size)];
              expect(await use.writeAndStat?.(path, inPieces(content))).toMatchObject({ sizeBytes: size });
              expect(await readFile(onDisk(`looked-${index}`))).toEqual(content);
            }
            await use.remove(at(`looked-${index}`));
          }),
        );
        await connection.write(at('half'), inPieces(randomBytes(5)));
        expect(await connection.writeAndStat?.(at('half'), inPieces(randomBytes(6)), { offset: 5 })).toMatchObject({
          sizeBytes: 11,
        });
        await connection.remove(at('half'));
        expect(connection.isUsable).toBe(true);
      });

      test('a file without bytes is one too', async () => {
        const written = await connection.write(at('empty'), inPieces(Buffer.alloc(0))).catch((error: unknown) => error);
        // vsftpd 3.0.3 dies of an upload without bytes over TLS 1.3, once it has made the file: asking tells.
        if (written !== 0) expect(written).toMatchObject({ code: 'REMOTE_LOST', isOutcomeUnknown: true });
        if (!connection.isUsable) connection = await open(server);
        expect(await connection.stat(at('empty'))).toMatchObject({ sizeBytes: 0 });
        expect(await gather(connection.read(at('empty')))).toHaveLength(0);
        await connection.remove(at('empty'));
      });

      test('writing goes on at the size that is there, and begins anew at 0', async ({ skip }) => {
        skip(['webdav', 'azure-blob'].includes(server.remote.type), 'it takes whole files only');
        const content = randomBytes(500_000);
        await connection.write(at('b'), inPieces(content.subarray(0, 200_000)));
        await connection.write(at('b'), inPieces(content.subarray(200_000)), { offset: 200_000 });
        expect(await readFile(onDisk('b'))).toEqual(content);
        await connection.write(at('b'), inPieces(content.subarray(0, 10)));
        expect((await stat(onDisk('b'))).size).toBe(10);
        await connection.remove(at('b'));
      });

      test('a rename does not overwrite unless it is said', async () => {
        await connection.write(at('new'), inPieces(Buffer.from('new')));
        await connection.write(at('old'), inPieces(Buffer.from('old')));
        await expect(connection.rename(at('new'), at('old'))).rejects.toMatchObject({ code: 'REMOTE_EXISTS' });
        expect(String(await readFile(onDisk('old')))).toBe('old');
        await connection.rename(at('new'), at('old'), { overwrite: true });
        expect(String(await readFile(onDisk('old')))).toBe('new');
        await expect(connection.rename(at('nowhere'), at('there'))).rejects.toMatchObject({ fault: 'path-gone' });
        await connection.remove(at('old'));
      });

      test('a file that is renamed and looked at in one go is found, and what cannot be renamed is left', async ({
        skip,
      }) => {
        skip(connection.renameAndStat === undefined, 'it would save nothing');
        for (const overwrite of [false, true]) {
          await connection.write(at('new'), inPieces(Buffer.from('newer')));
          const found = await connection.renameAndStat?.(at('new'), at('moved'), { overwrite });
          expect(found).toMatchObject({ sizeBytes: 5 });
          expect(String(await readFile(onDisk('moved')))).toBe('newer');
        }
        await connection.write(at('new'), inPieces(Buffer.from('new')));
        const refused = connection.renameAndStat?.(at('new'), at('moved'));
        await expect(refused).rejects.toMatchObject({ code: 'REMOTE_EXISTS' });
        expect(String(await readFile(onDisk('moved')))).toBe('newer');
        for (const name of ['new', 'moved']) await connection.remove(at(name));
        expect(connection.isUsable).toBe(true);
      });

      test('a listing has files, directories, sizes and, where the server tells them, times in UTC', async () => {
        await mkdir(onDisk('below'));
        const when = new Date('2025-03-30T00:59:58Z');
        for (const file of ['ä ö.csv', 'plain.csv', ' leading']) {
          await writeFile(onDisk(file), file);
          await utimes(onDisk(file), when, when);
        }
        const entries = new Map<string, RemoteEntry>();
        for await (const entry of connection.list(server.directory)) entries.set(entry.name, entry);
        expect([...entries.keys()].sort()).toEqual([' leading', 'below', 'plain.csv', 'ä ö.csv'].sort());
        expect(entries.get('below')?.kind).toBe('directory');
        expect(entries.get('plain.csv')).toMatchObject({ kind: 'file', sizeBytes: 9 });
        expect([undefined, '2025-03-30T00:59:58Z']).toContain(entries.get('plain.csv')?.modifiedAt);
        expect(await connection.stat(at('plain.csv'))).toEqual({ sizeBytes: 9, modifiedAt: '2025-03-30T00:59:58Z' });
        expect(String(await gather(connection.read(at('ä ö.csv'))))).toBe('ä ö.csv');
        for (const file of ['ä ö.csv', 'plain.csv', ' leading']) await connection.remove(at(file));
      });

      test('what is not there is gone, and the connection serves on', async () => {
        await expect(gather(connection.read(at('nothing')))).rejects.toMatchObject({ code: 'REMOTE_PATH_GONE' });
        if (!connection.isUsable) connection = await open(server);
        // A container has no directories: they are what names have in common.
        if (server.remote.type === 'azure-blob') return;
        const listing = async () => {
          for await (const _ of connection.list(`${server.directory}no-such/`)) break;
        };
        await expect(listing()).rejects.toMatchObject({ code: 'REMOTE_PATH_GONE' });
      });

      test('what is outside the paths of the remote is never asked for', async () => {
        await expect(connection.stat('/etc/passwd')).rejects.toMatchObject({ code: 'REMOTE_PLACE_REFUSED' });
        for (const path of [at('../x'), at('a\r\nDELE b'), at('a\u202eb'), at('x/'), 'relative'])
          await expect(connection.stat(path)).rejects.toMatchObject({ code: 'REMOTE_PLACE_REFUSED' });
        const sibling = `${server.directory.slice(0, -1)}side/file`;
        await expect(connection.stat(sibling)).rejects.toMatchObject({ code: 'REMOTE_PLACE_REFUSED' });
        expect(() => connection.list('/')).toThrow();
      });

      test('a stream that is left early, or fails, leaves nothing under way', async () => {
        await writeFile(onDisk('large'), randomBytes(5_000_000));
        for await (const piece of connection.read(at('large'))) {
          expect(piece.length).toBeGreaterThan(0);
          break;
        }
        if (!connection.isUsable) connection = await open(server);
        async function* failing(): AsyncIterable<Uint8Array> {
          yield Buffer.alloc(70_000);
          throw new Error('the body failed');
        }
        await expect(connection.write(at('half'), failing())).rejects.toThrow('the body failed');
        const again = await open(server);
        expect(await again.stat(at('large'))).toMatchObject({ sizeBytes: 5_000_000 });
        await again.remove(at('large'));
        await again.close();
        expect(again.isUsable).toBe(false);
      });

      test('several files go over one connection, one after another', async () => {
        for (let file = 0; file < 5; file += 1) {
          const content = randomBytes(10_000 + file);
          await connection.write(at(`many-${file}`), inPieces(content));
          expect(await gather(connection.read(at(`many-${file}`)))).toEqual(content);
          await connection.remove(at(`many-${file}`));
        }
      });

      test('a server that is not the one that is pinned gets nothing', async () => {
        const change =
          server.remote.type === 'sftp'
            ? { hostKeys: [`SHA256:${'A'.repeat(43)}`] }
            : { tls: { ...server.remote.tls, pins: [`sha256/${'A'.repeat(43)}=`] } };
        const before = server.logins?.length;
        await expect(open(server, change as Partial<RemoteDocument>)).rejects.toMatchObject({
          code: 'REMOTE_UNTRUSTED',
        });
        expect(server.logins?.length).toBe(before);
      });

      test('wrong credentials are tried once', async () => {
        const before = server.logins?.length ?? 0;
        const wrong = Object.fromEntries(
          Object.entries(server.secrets).map(([secret, text]) => [
            secret,
            secret.endsWith('password') ? 'wrong' : text,
          ]),
        );
        if (wrong['partner-key'] !== undefined) {
          wrong['partner-key'] = makeSshKey().private;
        }
        const failure = await open(server, {}, wrong).catch((error: unknown) => error);
        expect(failure).toMatchObject({ code: 'REMOTE_AUTH_FAILED' });
        expect(JSON.stringify(failure) + String(failure)).not.toContain('hush');
        if (server.logins !== undefined)
          expect(server.logins.slice(before)).toEqual([expect.objectContaining({ isAccepted: false })]);
      });
    });
  }
}
