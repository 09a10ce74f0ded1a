import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Home, openHome } from '#local/home.ts';
import { ensurePartnerAccess, partnerClientsFile, secretsDirectory } from '#local/launcher/partner-access.ts';
import { readIdentityClients } from '#local/partner-simulator/config.ts';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';

let directory: string;
let home: Home;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-partner-access-'));
  home = await openHome(directory);
});

afterEach(async () => {
  home.release();
  await rm(directory, { recursive: true, force: true });
});

test('the secret is made once, is what both sides have, and is read by its owner alone', async () => {
  await ensurePartnerAccess(home);
  const [client] = readIdentityClients(partnerClientsFile(home));
  const secrets = secretsOfTenant(createFileSecretStore(secretsDirectory(home)), 'globex-bank');
  expect((await secrets.read('rfi-client-secret')).text).toBe(client?.secret);
  for (const path of [partnerClientsFile(home), join(secretsDirectory(home), 'globex-bank/rfi-client-secret')]) {
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  }
  const before = await readFile(partnerClientsFile(home), 'utf8');
  await ensurePartnerAccess(home);
  expect(await readFile(partnerClientsFile(home), 'utf8')).toBe(before);
});

test('a secret that was rotated by hand is kept, and told to the partner', async () => {
  await ensurePartnerAccess(home);
  const path = join(secretsDirectory(home), 'globex-bank/rfi-client-secret');
  await writeFile(path, 'another-secret-of-mine\n');
  await ensurePartnerAccess(home);
  expect(readIdentityClients(partnerClientsFile(home))[0]?.secret).toBe('another-secret-of-mine');
});
