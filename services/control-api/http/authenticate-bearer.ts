/**
 * Whose OAuth 2 access token a request carries, e.g. of a client-credentials grant.
 *
 * 1. The token's scopes, roles and groups decide the role, by the operator's mapping; what maps to no role is let in nowhere.
 * 2. Scopes of ours that the token has narrow the role to them.
 * 3. A role of a tenant needs the tenant's claim, a role of operators must not have one: nobody is both.
 * 4. A tenant that is unknown or disabled is looked up again after `cacheMs` at most.
 * 5. Verifying costs an address its allowance, as the look-up of a key does; a token that was verified is remembered for `cacheMs`, and no
 *    longer than it is valid.
 */
import { LRUCache } from 'lru-cache';
import type { KeyCache } from '#shared/access/key-cache.ts';
import { type Caller, isTenantRole, type Role } from '#shared/access/permissions.ts';
import { scopesAmong } from '#shared/access/scopes.ts';
import { isTokenHeader, type TokenIdentity, type TokenRules, verifyToken } from '#shared/access/verify-token.ts';
import { type Authenticate, type Authentication, createAuthenticator } from './authenticate.ts';

export interface BearerOptions {
  readonly rules: TokenRules;
  readonly keys: KeyCache;
  /** From a scope, role or group to the role here; the first that the token has counts. */
  readonly roles: Readonly<Record<string, Role>>;
  readonly tenantClaim: string;
  readonly isActiveTenant: (tenantId: string) => Promise<boolean>;
  readonly cacheMs: number;
  /** Wall clock in ms. */
  readonly now?: () => number;
}

/** Takes the Authorization header. @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when the issuer's keys cannot be read. */
export type AuthenticateBearer = (
  authorization: string,
  allowance: Parameters<Authenticate>[1],
) => Promise<Authentication>;

const CACHED_TENANTS = 10_000;

export function createBearerAuthenticator(options: BearerOptions): AuthenticateBearer {
  const { rules, keys, tenantClaim, isActiveTenant, cacheMs, now = Date.now } = options;
  const tenants = new LRUCache<string, boolean>({
    max: CACHED_TENANTS,
    ttl: Math.max(1, cacheMs),
    fetchMethod: (tenantId) => isActiveTenant(tenantId),
  });

  const validUntil = new WeakMap<Caller, number>();

  async function verify(authorization: string): Promise<Caller | undefined> {
    const verdict = await verifyToken({ authorization, rules, keys, now });
    if (verdict.type === 'unknown') throw verdict.error;
    if (verdict.type === 'refused') return undefined;
    const { identity } = verdict;
    const role = roleOf(identity, options.roles);
    const tenant = identity.claims[tenantClaim];
    if (role === undefined || isTenantRole(role) !== (tenant !== undefined)) return undefined;
    if (tenant !== undefined && (typeof tenant !== 'string' || !(await tenants.fetch(tenant)))) return undefined;
    const keyId = `${rules.issuer}|${identity.subject}`;
    const scopes = scopesAmong(identity.scopes);
    const caller = {
      ...{ keyId, tenantId: tenant ?? null, label: identity.subject, role },
      ...(scopes !== undefined && { scopes }),
    };
    validUntil.set(caller, (identity.expiresAt + rules.clockToleranceS) * 1_000);
    return caller;
  }

  const authenticate = createAuthenticator({
    findKey: verify,
    cacheMs,
    isPlausible: (authorization) => isTokenHeader(authorization, rules),
  });
  return async (authorization, allowance) => {
    const result = await authenticate(authorization, allowance);
    const isOver = result.type === 'known' && now() >= (validUntil.get(result.owner) ?? 0);
    return isOver ? { type: 'unknown' } : result;
  };
}

function roleOf({ scopes, claims }: TokenIdentity, roles: Readonly<Record<string, Role>>): Role | undefined {
  const held = new Set([...scopes, ...namesIn(claims.roles), ...namesIn(claims.groups)]);
  return Object.entries(roles).find(([name]) => held.has(name))?.[1];
}

function namesIn(claim: unknown): string[] {
  return Array.isArray(claim) ? claim.filter((name) => typeof name === 'string') : [];
}
