/** What review links and receipts are signed with, and the secrets of a pretended Slack app and Teams webhook, which `longshore simulate-chat` signs with. Both see every tenant's files. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Home } from '#local/home.ts';
import { ensureSecret, makeSecret, writeSecret } from '#local/launcher/keys.ts';
import { secretsDirectory } from '#local/launcher/partner-access.ts';
import { makeReceiptKey } from '#shared/receipts/receipt-keys.ts';

const LINK_SECRET = 'review-links';
const RECEIPT_SECRET = 'receipts/key';
const SLACK_SECRET = 'chat/slack-signing-secret';
/** Where the notices of the example acme go: a channel of the chat that the partner simulator has. */
const DESK_SECRET = 'acme/desk-chat';
const DESK_PATH = '/chat/acme-desk';

const VARIABLES = {
  LONGSHORE_SLACK_SIGNING_SECRET: SLACK_SECRET,
  LONGSHORE_SLACK_WORKSPACES: 'TLOCAL=*',
  LONGSHORE_TEAMS_WEBHOOKS: 'local=*',
};

/** Those that a person exports come first. */
export function chatVariables(fleet: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(VARIABLES).map(([name, value]) => [name, fleet[name] ?? value]));
}

export function linkVariablesOf(fleet: Readonly<Record<string, string>>): Record<string, string> {
  return { LONGSHORE_LINK_SECRET: fleet.LONGSHORE_LINK_SECRET ?? LINK_SECRET };
}

/** Of the workers and the control API. */
export function receiptVariablesOf(fleet: Readonly<Record<string, string>>): Record<string, string> {
  return { LONGSHORE_RECEIPT_SECRET: fleet.LONGSHORE_RECEIPT_SECRET ?? RECEIPT_SECRET };
}

export function chatSecretFiles(home: Home): { readonly slack: string; readonly teams: string } {
  const inStore = (name: string) => join(secretsDirectory(home), name);
  return { slack: inStore(SLACK_SECRET), teams: inStore('chat/teams-local') };
}

/** Of what channels of the chat took. */
export function chatNoticesFile(home: Home): string {
  return home.data('partner-simulator/chat.ndjson');
}

export async function ensureChatAccess(home: Home, simulatorUrl: string): Promise<void> {
  for (const path of [...Object.values(chatSecretFiles(home)), join(secretsDirectory(home), LINK_SECRET)]) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await ensureSecret(path, makeSecret);
  }
  const receiptKey = join(secretsDirectory(home), RECEIPT_SECRET);
  await mkdir(dirname(receiptKey), { recursive: true, mode: 0o700 });
  await ensureSecret(receiptKey, makeReceiptKey);
  await ensureDeskChannel(home, simulatorUrl);
}

/** A webhook that a person put in its place stays; ours may have had other ports. */
async function ensureDeskChannel(home: Home, simulatorUrl: string): Promise<void> {
  const path = join(secretsDirectory(home), DESK_SECRET);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const url = `${simulatorUrl}${DESK_PATH}`;
  const kept = await ensureSecret(path, () => url);
  if (kept !== url && kept.startsWith('http://127.0.0.1:') && kept.endsWith(DESK_PATH)) await writeSecret(path, url);
}
