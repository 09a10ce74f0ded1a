/**
 * How the fleet of this machine and the simulated partner know each other: a client of the partner's issuer of tokens, whose secret
 * the partner-worker finds in its secret store, and what the gateway lets that client do.
 *
 * The secret is made at random once per home. A file of a secret that was changed counts at the partner from the next start on.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Home } from '#local/home.ts';
import { ensureSecret, makeSecret, writeSecret } from '#local/launcher/keys.ts';

const ISSUER = 'urn:longshore:simulated-partner';
const AUDIENCE = 'rfi-apis';
const TOKEN_METHOD = 'POST /oauth/token';

/** The clients that the partner of the examples knows; their secret is under the tenant, as definitions name it. */
const CLIENTS = [
  {
    id: 'globex-bank',
    secret: 'globex-bank/rfi-client-secret',
    scopes: ['rfi.validate', 'rfi.assignments', 'rfi.coupons'],
  },
];

const ACCESS_RULES = [
  { method: 'POST', path: '/validation', scopes: ['rfi.validate'] },
  { method: 'GET', path: '/assignments', scopes: ['rfi.assignments'] },
  { method: 'POST', path: '/baec/coupon-verifications', scopes: ['rfi.coupons'] },
];

/** The partner-worker's secret store: one file of mode 0600 per secret, in a directory per tenant. */
export function secretsDirectory(home: Home): string {
  return join(home.keys, 'secrets');
}

export function partnerClientsFile(home: Home): string {
  return join(home.keys, 'partner-clients.json');
}

/** What the partner's file servers show. */
export function partnerFilesDirectory(home: Home): string {
  return home.data('partner-files');
}

export function partnerFilesKeys(home: Pick<Home, 'keys'>): string {
  return join(home.keys, 'partner-files');
}

/** Changes no secret that is there already. */
export async function ensurePartnerAccess(home: Home): Promise<void> {
  const clients = CLIENTS.map(async ({ id, secret, scopes }) => {
    const path = join(secretsDirectory(home), secret);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return { id, secret: await ensureSecret(path, makeSecret), scopes };
  });
  await writeSecret(partnerClientsFile(home), JSON.stringify(await Promise.all(clients)));
}

export function gatewayVariables(partnerUrl: string): Record<string, string> {
  return {
    LONGSHORE_GATEWAY_BACKEND_URL: partnerUrl,
    LONGSHORE_GATEWAY_OPEN: TOKEN_METHOD,
    LONGSHORE_AUTHORIZER_ISSUER: ISSUER,
    LONGSHORE_AUTHORIZER_AUDIENCE: AUDIENCE,
    LONGSHORE_AUTHORIZER_JWKS_URL: `${partnerUrl}/.well-known/jwks.json`,
    LONGSHORE_AUTHORIZER_RULES: JSON.stringify(ACCESS_RULES),
    // The partner has a new key after each start, and is near.
    LONGSHORE_AUTHORIZER_KEYS_COOLDOWN_MS: '500',
  };
}
