/** Servers with host keys of several types, of which they show the one that the client likes best, and servers with old algorithms alone. */
import { createHash } from 'node:crypto';
import ssh2 from 'ssh2';
import { afterEach, describe, expect, test } from 'vitest';
import { LEGACY_ALGORITHMS, type RemoteDocument, remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { makeSshKey } from '#testkit/servers/partner-file-servers.ts';
import {
  type ScriptedSftpServer,
  type SftpLogins,
  startScriptedSftpServer,
} from '#testkit/servers/scripted-sftp-server.ts';
import { openRemote, readRemoteSecrets } from '../open-remote.ts';

const ED25519 = makeSshKey().private;
const RSA = ssh2.utils.generateKeyPairSync('rsa', { bits: 2_048 }).private;
const ECDSA = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 }).private;

const SERVER_HOST_KEY = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'];
const ALL = {
  hostKeys: [ED25519, RSA, ECDSA],
  algorithms: { serverHostKey: SERVER_HOST_KEY },
} satisfies SftpLogins;

function fingerprintOf(key: string): string {
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error) throw parsed;
  return `SHA256:${createHash('sha256').update(parsed.getPublicSSH()).digest('base64').replace(/=+$/, '')}`;
}

let server: ScriptedSftpServer | undefined;
afterEach(() => server?.stop());

/** How often the server was connected to. */
async function connect(remote: RemoteDocument, onLegacy?: (algorithms: readonly string[]) => void): Promise<number> {
  let connections = 0;
  const store = { read: async () => ({ text: 'hush', version: '1' }) };
  const guard = createAddressGuard({ allow: ['127.0.0.0/8'] });
  const counted = {
    ...guard,
    isAllowed(address: string) {
      connections += 1;
      return guard.isAllowed(address);
    },
  };
  const connection = await openRemote(remote, await readRemoteSecrets(remote, store), { guard: counted, onLegacy });
  expect(await connection.stat('/in/a')).toMatchObject({ sizeBytes: 200_000 });
  await connection.close();
  return connections;
}

const logins = () => server?.requests.filter((request) => request.startsWith('login'));

describe('a server with keys of three types', () => {
  test.each([
    ['RSA', RSA],
    ['ECDSA', ECDSA],
  ])('is trusted by its pinned %s key, and asked for that at once the next time', async (_type, key) => {
    server = await startScriptedSftpServer({}, ALL);
    const remote = { ...server.remote, hostKeys: [fingerprintOf(key)] } as RemoteDocument;
    expect(await connect(remote)).toBeGreaterThan(1);
    expect(await connect(remote)).toBe(1);
    expect(logins()).toHaveLength(2);
  });

  test('of which none is pinned gets nothing, and all of them are named', async () => {
    server = await startScriptedSftpServer({}, ALL);
    const remote = { ...server.remote, hostKeys: [`SHA256:${'A'.repeat(43)}`] } as RemoteDocument;
    const error = await connect(remote).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'REMOTE_UNTRUSTED' });
    for (const key of [ED25519, RSA, ECDSA]) expect(String(error)).toContain(fingerprintOf(key));
    expect(server.requests).toEqual([]);
  });

  test('is trusted by another pinned key once it has lost the one that it showed before', async () => {
    const first = await startScriptedSftpServer({}, ALL);
    server = await startScriptedSftpServer({});
    const { hostKeys: next } = server.remote as RemoteDocument & { readonly hostKeys: readonly string[] };
    const remote = { ...first.remote, hostKeys: [fingerprintOf(RSA), ...next] } as RemoteDocument;
    expect(await connect(remote)).toBeGreaterThan(1);
    await first.stop();
    Object.assign(remote, { port: server.remote.port });
    await connect(remote);
    expect(logins()).toHaveLength(1);
  });
});

describe('a server with old algorithms alone', () => {
  const OLD = {
    kex: ['diffie-hellman-group14-sha1'],
    serverHostKey: ['ssh-rsa'],
    cipher: ['aes128-cbc'],
    hmac: ['hmac-sha1'],
  };
  const remoteOf = (fields: object) =>
    remoteDocumentSchema.parse({ ...server?.remote, hostKeys: [fingerprintOf(RSA)], ...fields });

  test('is not spoken to, and what it lacks is named', async () => {
    server = await startScriptedSftpServer({}, { hostKeys: [RSA], algorithms: OLD });
    const allowed: string[] = [];
    for (const [lacks, allows] of [
      ['key exchange algorithm', 'diffie-hellman-group14-sha1'],
      ['host key format', 'ssh-rsa'],
      ['C->S cipher', 'aes128-cbc'],
      ['C->S MAC', 'hmac-sha1'],
    ] as const) {
      const remote = remoteOf(allowed.length > 0 ? { legacyAlgorithms: [...allowed] } : {});
      await expect(connect(remote)).rejects.toMatchObject({
        code: 'REMOTE_PROTOCOL',
        message: `the server has no ${lacks} that is allowed here`,
      });
      allowed.push(allows);
    }
    expect(server.requests).toEqual([]);
  });

  test('is spoken to where its remote allows them, and they are named', async () => {
    server = await startScriptedSftpServer({}, { hostKeys: [RSA], algorithms: OLD });
    const used: (readonly string[])[] = [];
    await connect(remoteOf({ legacyAlgorithms: [...LEGACY_ALGORITHMS] }), (algorithms) => used.push(algorithms));
    expect(used).toEqual([['ssh-rsa', 'diffie-hellman-group14-sha1', 'hmac-sha1', 'aes128-cbc']]);
  });

  test('of which a better one is there too is spoken to by that', async () => {
    server = await startScriptedSftpServer({}, { ...ALL, hostKeys: [RSA] });
    const used: (readonly string[])[] = [];
    await connect(remoteOf({ legacyAlgorithms: [...LEGACY_ALGORITHMS] }), (algorithms) => used.push(algorithms));
    expect(used).toEqual([]);
  });
});
