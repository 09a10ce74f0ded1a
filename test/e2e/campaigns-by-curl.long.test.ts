/**
 * The five endpoints as the guide shows them: its own commands are run, by a shell with curl, once with the tenant's key and once with an
 * access token that a client got for its credentials.
 */
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createIdentityProvider } from '#local/partner-simulator/identity-provider.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';

const TENANT = 'globex-bank';
const SECRET = 'secret-of-the-message-centre';
const AUDIENCE = 'longshore';
const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

let fleet: TestFleet;
let issuer: Server;
let issuerUrl: string;
let guide: string;

beforeAll(async () => {
  guide = await readFile(join(ROOT, 'docs/guides/campaigns.md'), 'utf8');
  issuer = createServer();
  issuer.listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  issuerUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  const provider = await createIdentityProvider({
    ...{ issuer: issuerUrl, audience: AUDIENCE, lifetimeS: 300 },
    clients: [{ id: TENANT, secret: SECRET, scopes: ['campaigns', 'read-only'] }],
  });
  issuer.on('request', async (request, response) => {
    const isToken = request.method === 'POST' && request.url === '/token';
    const { status, body } = isToken
      ? await provider.issueToken(new URLSearchParams(await text(request)), request.headers.authorization)
      : { status: 200, body: provider.publicKeys() };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  fleet = await startTestFleet({
    tenants: [TENANT],
    services: ['ingestor', 'router', 'large-file-worker', 'partner-worker', 'retry-sweeper', 'control-api'],
    routes: block('yaml'),
    env: {
      'control-api': {
        LONGSHORE_API_OAUTH_ISSUER: issuerUrl,
        LONGSHORE_API_OAUTH_AUDIENCE: AUDIENCE,
        LONGSHORE_API_OAUTH_JWKS_URL: `${issuerUrl}/keys`,
        LONGSHORE_API_OAUTH_ROLES: JSON.stringify({ campaigns: 'tenant-admin', 'read-only': 'tenant-viewer' }),
        LONGSHORE_API_OAUTH_TENANT_CLAIM: 'client_id',
      },
    },
  });
}, 180_000);
afterAll(async () => {
  await fleet?.stop();
  issuer?.close();
});

/** The guide's first. */
function block(language: string): string {
  const [, code] = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(guide) ?? [];
  if (code === undefined) throw new Error(`the guide has no block of ${language}`);
  return code;
}

async function readToken(scope: string): Promise<string> {
  const form = ['-d', 'grant_type=client_credentials', '-d', `scope=${scope}`];
  const { stdout } = await run('curl', ['-sS', '-u', `${TENANT}:${SECRET}`, ...form, `${issuerUrl}/token`]);
  return String(JSON.parse(stdout).access_token);
}

/** The guide's commands, at this fleet, with `header` in place of the key. Out: the campaign as it was answered. */
async function followGuide(header: string, key: string): Promise<{ transaction_id: string; status: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-curl-'));
  try {
    await cp(join(ROOT, 'examples/globex-bank/campaign'), directory, { recursive: true });
    const script = block('sh')
      .replace('x-api-key: $KEY', header)
      .replace('http://127.0.0.1:8080', fleet.stack.endpoints.api);
    const env = { PATH: process.env.PATH ?? delimiter, KEY: key };
    await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: directory, env });
    return JSON.parse(await readFile(join(directory, 'campaign.json'), 'utf8'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const tools = ['bash', 'curl', 'jq'];
const missing = tools.filter((name) => spawnSync(name, ['--version']).status !== 0);
if (missing.length > 0) process.stdout.write(`the guide's commands are skipped: ${missing.join(', ')} not installed\n`);

describe.skipIf(missing.length > 0)('the guide’s commands', () => {
  test.each([
    ['a key', 'x-api-key: $KEY', () => readFile(fleet.stack.endpoints.tenants[TENANT]?.apiKeyFile ?? '', 'utf8')],
    ['an access token', 'authorization: Bearer $KEY', () => readToken('campaigns')],
  ])('with %s send the example: ten rows are eight mails', async (_what, header, readKey) => {
    const { transaction_id: id } = await followGuide(header, (await readKey()).trim());
    const reply = await fleet.waitUntil(
      'the campaign',
      async () => {
        const { body } = await fleet.api(`/api/v1/campaigns/${id}/status`, { tenant: TENANT });
        return body.status === 'SENT' && body;
      },
      60_000,
    );
    expect(reply).toMatchObject({
      recipients: { rows: 10, valid: 8, rejected: 1, duplicates: 1 },
      messages: { pending: 0, failed: 0 },
    });
    const ledger = await fetch(`${fleet.stack.endpoints.ses}/_ledger?campaign=${id}`);
    const to = ((await ledger.json()) as readonly { readonly to: string }[]).map((mail) => mail.to);
    // The address that bounced before is left out.
    const { suppressed = 0 } = reply.recipients as { suppressed?: number };
    expect([to.length, new Set(to).size]).toEqual([8 - suppressed, 8 - suppressed]);
    expect(suppressed).toBeLessThan(2);
  });

  test('a token that may only read starts nothing', async () => {
    const token = await readToken('read-only');
    await expect(followGuide('authorization: Bearer $KEY', token)).rejects.toThrow(/error: 403/);
    await expect(followGuide('authorization: Bearer $KEY', `${token}x`)).rejects.toThrow(/error: 401/);
  });
});
