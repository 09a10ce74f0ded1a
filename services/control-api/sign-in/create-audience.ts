/** Those who sign in at a provider, from the settings: with a client whose calls are bounded and guarded. */
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createGotClient } from '#shared/http/create-got-client.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import type { OidcAudience } from './handle-oidc.ts';
import { createOidcProvider } from './oidc-provider.ts';
import type { OidcSettings } from './sign-in-settings.ts';

/** Three calls of a sign-in, one after the other, take less than an answer may. */
const CALL_MS = 5_000;
const LARGEST_ANSWER_BYTES = 262_144;

export function createAudience(settings: OidcSettings | undefined, secrets: SecretStore): OidcAudience | undefined {
  if (settings === undefined) return undefined;
  const { addresses, rolesClaim, roles, origin, ...client } = settings;
  const http = createGotClient({
    timeoutMs: CALL_MS,
    maxBodyBytes: LARGEST_ANSWER_BYTES,
    addressGuard: createAddressGuard({ allow: addresses }),
  });
  return { provider: createOidcProvider({ ...client, http, secrets }), rolesClaim, roles, origin };
}
