/**
 * Who signs in at which provider, and what they become here: operators by the settings, people of a tenant by its document, as it is now.
 *
 * 1. Every provider is asked by a client whose calls are bounded and go to allowed addresses only.
 * 2. A tenant's secrets are its own, and each tenant has its own redirect URI: no provider can take what was meant for another.
 */
import { LRUCache } from 'lru-cache';
import type { Role } from '#shared/access/permissions.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { TenantSignIn } from '#shared/definitions/sign-in-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createGotClient } from '#shared/http/create-got-client.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { createOidcProvider, type OidcProvider } from './oidc-provider.ts';
import type { SignInSettings } from './sign-in-settings.ts';

/** Those who sign in at one provider. */
export interface OidcAudience {
  /** Null: operators. */
  readonly tenantId: string | null;
  readonly provider: OidcProvider;
  readonly issuer: string;
  /** A name, or names with dots between for a claim within a claim. */
  readonly rolesClaim: string;
  /** The first that the person has counts. */
  readonly roles: Readonly<Record<string, Role>>;
  /** Of the app, such as `https://longshore.example`. */
  readonly origin: string;
  /** Where the provider sends browsers back to. */
  readonly redirectUri: string;
}

export interface OidcAudiences {
  /** Of operators, or of a tenant in use; undefined: they have no provider. */
  find(tenantId: string | null): Promise<OidcAudience | undefined>;
  /** Whether any tenant has a provider. */
  hasTenants(): Promise<boolean>;
}

export const CALLBACK = '/auth/callback';

/** Three calls of a sign-in, one after the other, take less than an answer may. */
const CALL_MS = 5_000;
const LARGEST_ANSWER_BYTES = 262_144;
/** What is known of a provider; found out again when it is asked for. */
const KEPT_PROVIDERS = 200;

export function createOidcAudiences(
  { oidc, oidcAddresses = [], portalOrigin }: SignInSettings,
  { sql, secrets }: { readonly sql: Sql; readonly secrets: SecretStore },
): OidcAudiences {
  const http = createGotClient({
    timeoutMs: CALL_MS,
    maxBodyBytes: LARGEST_ANSWER_BYTES,
    addressGuard: createAddressGuard({ allow: oidcAddresses }),
  });
  const operators = oidc && {
    ...{ tenantId: null, issuer: oidc.issuer, origin: oidc.origin, redirectUri: `${oidc.origin}${CALLBACK}` },
    ...{ rolesClaim: oidc.rolesClaim, roles: oidc.roles, provider: createOidcProvider({ ...oidc, http, secrets }) },
  };
  const kept = new LRUCache<string, OidcAudience>({ max: KEPT_PROVIDERS });

  function audienceOf(tenantId: string, { oidc: own }: TenantSignIn, origin: string): OidcAudience {
    const provider = createOidcProvider({
      ...{ issuer: own.issuer, clientId: own.clientId, clientSecretName: own.clientSecret, scopes: own.scopes },
      ...{ http, secrets: secretsOfTenant(secrets, tenantId) },
    });
    const { issuer, rolesClaim, roles } = own;
    return { tenantId, provider, issuer, rolesClaim, roles, origin, redirectUri: `${origin}${CALLBACK}/${tenantId}` };
  }

  return {
    async find(tenantId) {
      if (tenantId === null) return operators;
      if (portalOrigin === undefined) return undefined;
      const [row] = await sql<{ signIn: TenantSignIn }[]>`
        SELECT sign_in AS "signIn" FROM tenants WHERE id = ${tenantId} AND disabled_at IS NULL AND sign_in IS NOT NULL`;
      if (row === undefined) return undefined;
      const name = JSON.stringify([tenantId, row.signIn]);
      const audience = kept.get(name) ?? audienceOf(tenantId, row.signIn, portalOrigin);
      kept.set(name, audience);
      return audience;
    },
    async hasTenants() {
      if (portalOrigin === undefined) return false;
      return (await sql`SELECT 1 FROM tenants WHERE disabled_at IS NULL AND sign_in IS NOT NULL LIMIT 1`).length > 0;
    },
  };
}
