import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openHome } from '#local/home.ts';
import { ensureChatAccess } from '#local/launcher/chat-access.ts';
import { secretsDirectory } from '#local/launcher/partner-access.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-chat-access-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test('the channel of the examples follows the ports; a webhook that a person put there stays', async () => {
  const home = await openHome(directory);
  const path = join(secretsDirectory(home), 'acme/desk-chat');
  const webhook = async () => (await readFile(path, 'utf8')).trim();
  try {
    await ensureChatAccess(home, 'http://127.0.0.1:8101');
    expect(await webhook()).toBe('http://127.0.0.1:8101/chat/acme-desk');
    await ensureChatAccess(home, 'http://127.0.0.1:9101');
    expect(await webhook()).toBe('http://127.0.0.1:9101/chat/acme-desk');
    await writeFile(path, 'https://hooks.slack.com/services/T0/B0/x\n');
    await ensureChatAccess(home, 'http://127.0.0.1:8101');
    expect(await webhook()).toBe('https://hooks.slack.com/services/T0/B0/x');
  } finally {
    home.release();
  }
});
