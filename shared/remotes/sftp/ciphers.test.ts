/** What is done to ssh2's ciphers and to its reads holds with every cipher, also when the keys change while a file is under way. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { PARTNER_SERVERS, type PartnerFileServer, startOpenssh } from '#testkit/servers/partner-file-servers.ts';
import { openRemote, readRemoteSecrets } from '../open-remote.ts';

const missing = PARTNER_SERVERS.find(({ name }) => name === 'OpenSSH')?.missing;
const BYTES = 6_000_000;

describe.skipIf(missing !== undefined)(missing === undefined ? 'OpenSSH' : `OpenSSH (skipped: ${missing})`, () => {
  let server: PartnerFileServer | undefined;

  afterEach(async () => {
    await server?.stop();
  });

  test.each([
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes256-ctr',
  ])('carries files whole with %s, through changes of the keys', { timeout: 60_000 }, async (cipher) => {
    server = await startOpenssh({ lines: [`Ciphers ${cipher}`, 'RekeyLimit 1M'] });
    const { remote, secrets, directory, onDisk } = server;
    const store = { read: async (name: string) => ({ text: secrets[name] ?? '', version: '1' }) };
    const guard = createAddressGuard({ allow: ['127.0.0.0/8'] });
    const connection = await openRemote(remote, await readRemoteSecrets(remote, store), { guard });
    const content = randomBytes(BYTES);
    await writeFile(join(onDisk, 'from'), content);

    const pieces: Uint8Array[] = [];
    for await (const piece of connection.read(`${directory}from`)) pieces.push(piece);
    await connection.write(`${directory}to`, inPieces(content));

    expect(Buffer.concat(pieces).equals(content)).toBe(true);
    expect((await readFile(join(onDisk, 'to'))).equals(content)).toBe(true);
    await connection.close();
  });
});

async function* inPieces(bytes: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 262_144) yield bytes.subarray(at, at + 262_144);
}
