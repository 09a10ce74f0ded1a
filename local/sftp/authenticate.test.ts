import ssh2, { type AuthContext, type ParsedKey } from 'ssh2';
import { describe, expect, it } from 'vitest';
import { authenticate } from './authenticate.ts';

function parse(privateKey: string): ParsedKey {
  const key = [ssh2.utils.parseKey(privateKey)].flat()[0];
  if (key === undefined || key instanceof Error) throw new Error('the key is unreadable');
  return key;
}

const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 2_048 });
const findUser = async () => ({ tenantId: 'acme', publicKeys: [rsa.public], homePrefix: 'acme' });

function contextOf(algorithm: 'sha1' | 'sha256', overrides: object = {}): AuthContext {
  const key = parse(rsa.private);
  const blob = Buffer.from('what the client signs');
  return {
    method: 'publickey',
    username: 'acme-user',
    key: { algo: 'ssh-rsa', data: key.getPublicSSH() },
    blob,
    signature: key.sign(blob, algorithm),
    ...(algorithm === 'sha256' && { hashAlgo: algorithm }),
    ...overrides,
  } as unknown as AuthContext;
}

describe('authentication', () => {
  it('accepts an RSA signature with SHA-256 and refuses one with SHA-1', async () => {
    expect(await authenticate(contextOf('sha256'), findUser)).toMatchObject({ kind: 'accepted' });
    expect(await authenticate(contextOf('sha1'), findUser)).toMatchObject({ kind: 'refused' });
    expect(await authenticate(contextOf('sha1', { signature: undefined }), findUser)).toMatchObject({
      kind: 'refused',
    });
    expect(await authenticate(contextOf('sha1', { hashAlgo: 'sha1' }), findUser)).toMatchObject({ kind: 'refused' });
  });

  it('refuses a signature of something else', async () => {
    const other = contextOf('sha256', { blob: Buffer.from('something else') });
    expect(await authenticate(other, findUser)).toEqual({ kind: 'refused', reason: 'signature' });
  });

  it('fails closed when the look-up fails, whatever the key', async () => {
    const lost = () => Promise.reject(new Error('the database is down'));
    expect(await authenticate(contextOf('sha256'), lost)).toMatchObject({
      kind: 'refused',
      reason: 'look-up',
      error: expect.any(Error),
    });
  });

  it('refuses a user without readable keys, and one whose key is no public key', async () => {
    for (const publicKeys of [[], ['garbage'], [rsa.private]]) {
      const found = async () => ({ tenantId: 'acme', publicKeys, homePrefix: 'acme' });
      expect(await authenticate(contextOf('sha256'), found)).toEqual({ kind: 'refused', reason: 'key' });
    }
  });
});
