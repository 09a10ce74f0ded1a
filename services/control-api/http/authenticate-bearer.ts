/**
 * Whose OAuth 2 access token a request carries, e.g. of a client-credentials grant.
 *
 * 1. The token's scopes, roles and groups decide the role, by the operator's mapping; what maps to no role is let in nowhere.
 * 2. A role of a tenant needs the tenant's claim, a role of operators must not have one: nobody is both.
 * 3. A tenant that is unknown or disabled is looked up again after `cacheMs` at most.
 */
import { LRUCache } from 'lru-cache';
import type { KeyCache } from '#shared/access/key-cache.ts';
import { isTenantRole, type Role } from '#shared/access/permissions.ts';
import { type TokenIdentity, type TokenRules, verifyToken } from '#shared/access/verify-token.ts';
import type { Authentication } from './authenticate.ts';

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

/** @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when the issuer's keys cannot be read. */
export type AuthenticateBearer = (authorization: string) => Promise<Authentication>;

const CACHED_TENANTS = 10_000;
const UNKNOWN = { type: 'unknown' } as const;

export function createBearerAuthenticator(options: BearerOptions): AuthenticateBearer {
  const { rules, keys, tenantClaim, isActiveTenant, cacheMs, now = Date.now } = options;
  const tenants = new LRUCache<string, boolean>({
    max: CACHED_TENANTS,
    ttl: Math.max(1, cacheMs),
    fetchMethod: (tenantId) => isActiveTenant(tenantId),
  });

  return async (authorization) => {
    const verdict = await verifyToken({ authorization, rules, keys, now });
    if (verdict.type === 'unknown') throw verdict.error;
    if (verdict.type === 'refused') return UNKNOWN;
    const { identity } = verdict;
    const role = roleOf(identity, options.roles);
    const tenant = identity.claims[tenantClaim];
    if (role === undefined || isTenantRole(role) !== (tenant !== undefined)) return UNKNOWN;
    if (tenant !== undefined && (typeof tenant !== 'string' || !(await tenants.fetch(tenant)))) return UNKNOWN;
    return {
      type: 'known',
      owner: {
        keyId: `${rules.issuer}|${identity.subject}`,
        tenantId: tenant ?? null,
        label: identity.subject,
        role,
      },
    };
  };
}

function roleOf({ scopes, claims }: TokenIdentity, roles: Readonly<Record<string, Role>>): Role | undefined {
  const held = new Set([...scopes, ...namesIn(claims.roles), ...namesIn(claims.groups)]);
  return Object.entries(roles).find(([name]) => held.has(name))?.[1];
}

function namesIn(claim: unknown): string[] {
  return Array.isArray(claim) ? claim.filter((name) => typeof name === 'string') : [];
}
