import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { ownSecretNameSchema } from '#shared/definitions/name-schemas.ts';
import { loadConfig } from '#shared/runtime/config/load-config.ts';
import { OWN_SECRET_FOLDERS } from '#shared/runtime/config/secret-names.ts';
import { createSecretStore, secretVariables } from './create-secret-store.ts';
import { secretsOfTenant } from './secret-store.ts';

const configOf = (env: Record<string, string>) => loadConfig(z.object(secretVariables), env);

test('a directory makes it the store of that directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-secrets-'));
  try {
    await writeFile(join(directory, 'key'), 'hush', { mode: 0o600 });
    const store = createSecretStore(configOf({ LONGSHORE_SECRETS_DIRECTORY: directory }));
    expect((await store.read('key')).text).toBe('hush');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('no tenant has a secret of the fleet sent to itself', async () => {
  const asked: string[] = [];
  const read = async (name: string) => {
    asked.push(name);
    return { text: 'hush', version: '1' };
  };
  for (const folder of OWN_SECRET_FOLDERS)
    await expect(secretsOfTenant({ read }, folder).read('key')).rejects.toMatchObject({ code: 'SECRET_UNAVAILABLE' });
  expect(asked).toEqual([]);
  // Its other side: the fleet's own are in none of a tenant's folders.
  for (const name of ['receipts/key', 'smtp-password', 'chat/teams-desk'])
    expect(ownSecretNameSchema.safeParse(name).success).toBe(true);
  for (const name of ['acme/key', 'keys/receipts', 'receipts/../acme/key', '/receipts/key'])
    expect(ownSecretNameSchema.safeParse(name).success, name).toBe(false);
});

test('without a directory it is that of AWS', async () => {
  vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', 'http://127.0.0.1:1');
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'none');
  try {
    const read = createSecretStore(configOf({})).read('acme/key');
    await expect(read).rejects.toMatchObject({ code: 'SECRET_UNAVAILABLE' });
  } finally {
    vi.unstubAllEnvs();
  }
});

test('the prefix in AWS has a default, and may not be what no name begins with', () => {
  expect(configOf({}).LONGSHORE_SECRETS_PREFIX).toBe('longshore/');
  expect(() => configOf({ LONGSHORE_SECRETS_PREFIX: 'arn:aws:' })).toThrow(/LONGSHORE_SECRETS_PREFIX/);
});
