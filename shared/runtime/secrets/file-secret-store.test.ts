import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFileSecretStore, LARGEST_SECRET_BYTES } from './file-secret-store.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-secrets-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const put = (name: string, text: string, mode = 0o600) => writeFile(join(directory, name), text, { mode });

test('reads a secret without its line end, and gives the same one while nothing changes', async () => {
  await mkdir(join(directory, 'acme'));
  await put('acme/api-key', 'hush\n');
  const store = createFileSecretStore(directory);
  const secret = await store.read('acme/api-key');
  expect(secret.text).toBe('hush');
  expect(await store.read('acme/api-key')).toBe(secret);
});

test('sees a rotation without a restart, written in place or renamed over it, and a removal too', async () => {
  await put('key', 'one1');
  const store = createFileSecretStore(directory);
  const versions = [await store.read('key')];
  await put('key', 'two2');
  versions.push(await store.read('key'));
  await put('next', 'tri3');
  await rename(join(directory, 'next'), join(directory, 'key'));
  versions.push(await store.read('key'));
  expect(versions.map(({ text }) => text)).toEqual(['one1', 'two2', 'tri3']);
  expect(new Set(versions.map(({ version }) => version)).size).toBe(3);
  await rm(join(directory, 'key'));
  await expect(store.read('key')).rejects.toMatchObject({ code: 'SECRET_UNAVAILABLE' });
});

test('refuses a file that others may read, also when that comes later, and says nothing of what is in it', async () => {
  await put('open', 'hush-hush', 0o644);
  await put('closed', 'hush-hush');
  const store = createFileSecretStore(directory);
  await store.read('closed');
  await chmod(join(directory, 'closed'), 0o640);
  for (const name of ['open', 'closed']) {
    const error = await store.read(name).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'SECRET_UNAVAILABLE', message: expect.stringContaining('0600') });
    expect(JSON.stringify(error) + String(error)).not.toContain('hush');
  }
});

test.each(['', '.', '..', '../x', 'a/../b', '/etc/passwd', 'a//b', '.hidden', 'a/.b', 'a\0b', 'x'.repeat(300)])(
  'refuses the name %j',
  async (name) => {
    await expect(createFileSecretStore(directory).read(name)).rejects.toMatchObject({ code: 'SECRET_UNAVAILABLE' });
  },
);

test('refuses a link, a directory, an empty and a huge file', async () => {
  await put('real', 'hush');
  await symlink(join(directory, 'real'), join(directory, 'link'));
  await mkdir(join(directory, 'folder'));
  await put('empty', '');
  await put('huge', 'x'.repeat(LARGEST_SECRET_BYTES + 1));
  const store = createFileSecretStore(directory);
  for (const name of ['link', 'folder', 'empty', 'huge', 'missing']) {
    await expect(store.read(name)).rejects.toMatchObject({ code: 'SECRET_UNAVAILABLE' });
  }
});
