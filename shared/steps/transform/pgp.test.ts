/** PGP in `transform`, with GnuPG as the peer where it is installed, and with the library's own keys elsewhere. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMessage, encrypt, generateKey, readKey, readPrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { type SecretStore, unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { NO_TARGETS, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { transformOptions } from './options.ts';
import { transformStep } from './run.ts';

const whyNoGpg = spawnSync('gpg', ['--version']).status === 0 ? undefined : 'gpg is not installed';

let bench: StepBench;
const texts = new Map<string, string>();
const secrets: SecretStore = {
  read: async (name) => {
    const text = texts.get(name);
    if (text === undefined) throw unavailableSecret(`There is no secret ${name}.`);
    return { text, version: '1' };
  },
};

async function makeKey(name: string, passphrase?: string, more: object = {}): Promise<void> {
  const { privateKey, publicKey } = await generateKey({
    userIDs: [{ name, email: `${name}@example.com` }],
    ...(passphrase !== undefined && { passphrase }),
    ...more,
  });
  texts.set(`${name}-private`, privateKey);
  texts.set(`${name}-public`, publicKey);
}

beforeAll(async () => {
  bench = await startStepBench();
  texts.set('phrase', 'correct horse');
  await makeKey('ours', 'correct horse');
  await makeKey('partner');
  await makeKey('stranger');
  await makeKey('former', undefined, { date: new Date('2020-01-01'), keyExpirationTime: 86_400 });
});
afterAll(() => bench.stop());

async function transform(content: Uint8Array | string, operation: object, name = 'statement.csv.pgp') {
  return await runOperations(await bench.land(name, content), [operation]);
}

async function runOperations(object: ObjectLocation, ops: readonly object[]) {
  const targets = { ...NO_TARGETS, secrets };
  return await runStep(bench, { step: transformStep, kind: transformOptions, object, options: { ops }, targets });
}

async function made(content: Uint8Array | string, operation: object, name?: string): Promise<Buffer> {
  const outcome = await transform(content, operation, name);
  if (outcome.type !== 'succeeded' || outcome.object === undefined) throw new Error(JSON.stringify(outcome));
  return await bench.read(outcome.object);
}

const OPEN = { key: 'ours-private', passphrase: 'phrase', signedBy: ['partner-public'] };
const SEAL = { to: ['ours-public'], sign: 'partner-private' };
const CONTENT = 'a,b\n1,2\n'.repeat(50_000);
const failure = (cause: string) => ({ type: 'failed', code: 'TRANSFORM_ERROR', cause });

test.each([false, true])('what is encrypted and signed is decrypted and verified (armor: %s)', async (armor) => {
  const sealed = await made(CONTENT, { 'pgp-encrypt': { ...SEAL, armor } }, 'statement.csv');
  expect(sealed.toString('latin1').startsWith('-----BEGIN PGP MESSAGE-----')).toBe(armor);
  const outcome = await transform(sealed, { 'pgp-decrypt': OPEN });
  expect(outcome).toMatchObject({ type: 'succeeded', object: { key: expect.stringMatching(/\/statement\.csv$/) } });
  expect((await made(sealed, { 'pgp-decrypt': OPEN })).toString()).toBe(CONTENT);
});

test('what is only signed is verified, and is not taken for encrypted', async () => {
  const signed = await made(CONTENT, { 'pgp-sign': { key: 'partner-private' } }, 'statement.csv');
  expect((await made(signed, { 'pgp-verify': { signedBy: ['partner-public'] } })).toString()).toBe(CONTENT);
  expect(await transform(signed, { 'pgp-decrypt': OPEN })).toMatchObject(failure('PGP_NOT_ENCRYPTED'));
  const other = { 'pgp-verify': { signedBy: ['stranger-public'] } };
  expect(await transform(signed, other)).toMatchObject(failure('PGP_SIGNER_UNKNOWN'));
});

test('a new key is used together with the one before it', async () => {
  const sealed = await made('x', { 'pgp-encrypt': SEAL }, 'x.csv');
  const both = { ...OPEN, key: ['stranger-private', 'ours-private'] };
  expect((await made(sealed, { 'pgp-decrypt': both })).toString()).toBe('x');
});

/** Where another step, or anybody, could read what was decrypted. */
async function versionsBesidesLanding(): Promise<number> {
  const { landing: _landing, ...others } = bench.bucketNames;
  const pages = await Promise.all(Object.values(others).map((bucket) => bench.store.listVersions({ bucket })));
  return pages.reduce((sum, { items }) => sum + items.length, 0);
}

describe('nothing appears of a message', () => {
  let sealed: Buffer;
  beforeAll(async () => {
    sealed = await made(CONTENT, { 'pgp-encrypt': SEAL }, 'statement.csv');
  });
  const decrypted = (content: Uint8Array | string, options: object = {}) =>
    transform(content, { 'pgp-decrypt': { ...OPEN, ...options } });
  async function unsigned(): Promise<Uint8Array> {
    return await made(CONTENT, { 'pgp-encrypt': { to: ['ours-public'] } }, 'x.csv');
  }
  function altered(): Buffer {
    const copy = Buffer.from(sealed);
    const at = copy.length - 2_000;
    copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
    return copy;
  }

  test.each<[string, () => Promise<Uint8Array | string> | Uint8Array | string, object, string]>([
    ['to somebody else', () => sealed, { key: 'stranger-private' }, 'PGP_KEY_UNKNOWN'],
    ['by somebody else', () => sealed, { signedBy: ['stranger-public'] }, 'PGP_SIGNER_UNKNOWN'],
    ['without a signature', unsigned, {}, 'PGP_UNSIGNED'],
    ['that was altered', altered, {}, 'PGP_ALTERED'],
    ['that is cut off', () => sealed.subarray(0, sealed.length - 3_000), {}, 'PGP_TRUNCATED'],
    ['that is cut off in its first packet', () => sealed.subarray(0, 60), {}, 'PGP_TRUNCATED'],
    ['that is none', () => 'a,b\n1,2\n', {}, 'PGP_SYNTAX'],
    ['that is empty', () => '', {}, 'PGP_SYNTAX'],
    ['that says it is armored', () => '-----BEGIN PGP MESSAGE-----\n\nnot base64!\n', {}, 'PGP_SYNTAX'],
    ['with more than the route takes', () => sealed, { maxBytes: 1_000 }, 'PGP_BOMB'],
    ['for a key without its passphrase', () => sealed, { passphrase: undefined }, 'PGP_KEY_INVALID'],
    ['for a secret that is no key', () => sealed, { key: 'phrase' }, 'PGP_KEY_INVALID'],
  ])('%s', async (_what, content, options, cause) => {
    const given = await content();
    const before = await versionsBesidesLanding();
    expect(await decrypted(given, options)).toMatchObject(failure(cause));
    expect(await versionsBesidesLanding()).toBe(before);
    expect(await bench.openUploads()).toBe(0);
  });

  test('that was altered at its end, when parts of it had been written', async () => {
    const content = randomBytes(6_000_000);
    const large = Buffer.from(await made(content, { 'pgp-encrypt': SEAL }, 'large.bin'));
    large.writeUInt8(large.readUInt8(large.length - 10) ^ 1, large.length - 10);
    const before = await versionsBesidesLanding();
    for (const more of [[], [{ zip: {} }]]) {
      const object = await bench.land('inbound/large.bin.pgp', large);
      const outcome = await runOperations(object, [{ 'pgp-decrypt': OPEN }, ...more]);
      expect(outcome).toMatchObject({ type: 'failed', code: 'TRANSFORM_ERROR', cause: expect.stringMatching(/^PGP_/) });
    }
    expect(await versionsBesidesLanding()).toBe(before);
    expect(await bench.openUploads()).toBe(0);
  });

  test('encrypted to a key that has expired', async () => {
    const outcome = await transform('x', { 'pgp-encrypt': { to: ['former-public'] } }, 'x.csv');
    expect(outcome).toMatchObject(failure('PGP_KEY_EXPIRED'));
  });

  test('while a secret is missing', async () => {
    await expect(decrypted(sealed, { key: 'missing' })).rejects.toMatchObject({ code: 'SECRET_UNAVAILABLE' });
  });
});

test('unsigned messages are taken where the route says so', async () => {
  const message = await createMessage({ binary: Buffer.from('x') });
  const encryptionKeys = await readKey({ armoredKey: texts.get('ours-public')! });
  const sealed = await encrypt({ message, encryptionKeys, format: 'binary' });
  const open = { key: 'ours-private', passphrase: 'phrase', onUnsigned: 'accept' };
  expect((await made(sealed as Uint8Array, { 'pgp-decrypt': open })).toString()).toBe('x');
  expect((await readPrivateKey({ armoredKey: texts.get('ours-private')! })).isDecrypted()).toBe(false);
});

describe.skipIf(whyNoGpg !== undefined)(`GnuPG${whyNoGpg === undefined ? '' : ` (skipped: ${whyNoGpg})`}`, () => {
  let home: string;
  const gpg = (args: readonly string[], input: Uint8Array | string = '') =>
    execFileSync('gpg', ['--homedir', home, '--batch', '--yes', '--quiet', '--trust-model', 'always', ...args], {
      input,
      maxBuffer: 64 * 1024 ** 2,
      stdio: ['pipe', 'pipe', 'ignore'],
    });

  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'gpg-'));
    gpg([
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      '',
      '--quick-gen-key',
      'bank@example.com',
      'rsa2048',
      'default',
      'never',
    ]);
    gpg([
      '--passphrase',
      '',
      '--pinentry-mode',
      'loopback',
      '--quick-add-key',
      fingerprint(),
      'rsa2048',
      'encr',
      'never',
    ]);
    texts.set('bank-public', gpg(['--armor', '--export', 'bank@example.com']).toString());
    gpg(['--import'], texts.get('ours-public')!);
    gpg(['--import'], texts.get('partner-public')!);
  });
  afterAll(() => {
    spawnSync('gpgconf', ['--homedir', home, '--kill', 'gpg-agent']);
    rmSync(home, { recursive: true, force: true });
  });
  function fingerprint(): string {
    const listed = gpg(['--list-keys', '--with-colons', 'bank@example.com']).toString();
    return /^fpr:+([0-9A-F]{40}):/m.exec(listed)![1]!;
  }

  test.each([[[]], [['--armor']], [['--compress-algo', 'none']]])(
    'encrypts with %j, and it is decrypted',
    async (more) => {
      const args = [
        ...more,
        '--recipient',
        'ours@example.com',
        '--local-user',
        'bank@example.com',
        '--sign',
        '--encrypt',
      ];
      const sealed = gpg(args, CONTENT);
      const open = { ...OPEN, signedBy: ['bank-public'] };
      expect((await made(sealed, { 'pgp-decrypt': open })).toString()).toBe(CONTENT);
    },
  );

  test.each([false, true])('decrypts and verifies what is encrypted (armor: %s)', async (armor) => {
    const sealed = await made(
      CONTENT,
      { 'pgp-encrypt': { to: ['bank-public'], sign: 'partner-private', armor } },
      'x.csv',
    );
    expect(gpg(['--decrypt'], sealed).toString()).toBe(CONTENT);
  });

  test('verifies what is signed', async () => {
    const signed = await made(CONTENT, { 'pgp-sign': { key: 'partner-private' } }, 'x.csv');
    expect(gpg(['--decrypt'], signed).toString()).toBe(CONTENT);
  });
});
