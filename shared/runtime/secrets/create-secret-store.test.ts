import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '#shared/runtime/config/load-config.ts';
import { createSecretStore, secretVariables } from './create-secret-store.ts';

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
