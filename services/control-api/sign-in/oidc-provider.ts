/**
 * An OpenID Connect provider, of which nothing is believed that was not checked (OpenID Connect Core 1.0; RFC 9700).
 *
 * 1. Code flow with PKCE S256, `state` and `nonce`; the ID token's signature is checked against the provider's keys, also where TLS would do.
 * 2. Every call has a deadline and a bound on its answer, follows no redirect, and goes to allowed addresses only.
 * 3. What the provider answers is never shown as it is.
 */
import type { Configuration, CustomFetch } from 'openid-client';
import { LongshoreError } from '#shared/errors.ts';
import type { HttpClient } from '#shared/http/http-client.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';

export interface OidcClient {
  readonly issuer: string;
  readonly clientId: string;
  /** Name in the secret store; undefined: a public client. */
  readonly clientSecretName: string | undefined;
  readonly scopes: string;
}

export interface OidcProviderOptions extends OidcClient {
  readonly http: HttpClient;
  readonly secrets: SecretStore;
  /** Monotonic, in ms. */
  readonly now?: () => number;
}

export interface OidcRequest {
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** The provider asks who it is, whatever session it has with the browser. */
  readonly again: boolean;
}

export type OidcClaims = Readonly<Record<string, unknown>> & { readonly iss: string; readonly sub: string };

export type OidcVerdict =
  | { readonly type: 'accepted'; readonly claims: OidcClaims }
  /** A code of OAuth such as `access_denied`, or why the answer is not believed. */
  | { readonly type: 'refused'; readonly why: string }
  | { readonly type: 'unreachable'; readonly message: string };

export interface OidcProvider {
  /** @throws LongshoreError `DEPENDENCY_UNAVAILABLE` */
  begin(request: OidcRequest): Promise<URL>;
  /** `callback` is the redirect URI with what the provider added to it. */
  finish(callback: URL, expected: Pick<OidcRequest, 'state' | 'nonce' | 'verifier'>): Promise<OidcVerdict>;
  /** Where the person signs out at the provider; undefined when it has no such page or does not answer. */
  signOutUrl(returnTo: string): Promise<URL | undefined>;
}

const CONFIGURATION_MS = 3_600_000;
/** A session that the provider has for longer does not serve; and asking makes it say when the person proved who it is. */
const LONGEST_PROOF_SECONDS = 43_200;
/** What the answer to a begun sign-in may say of itself. */
const OAUTH_CODE = /^[a-z_]{1,40}$/;

export function createOidcProvider(options: OidcProviderOptions): OidcProvider {
  const { now = () => performance.now() } = options;
  let kept: { readonly configuration: Promise<Configuration>; readonly until: number } | undefined;

  async function configure(): Promise<Configuration> {
    if (kept !== undefined && kept.until > now()) return await kept.configuration;
    const configuration = discover(options);
    const mine = { configuration, until: now() + CONFIGURATION_MS };
    kept = mine;
    configuration.catch(() => {
      if (kept === mine) kept = undefined;
    });
    return await configuration;
  }

  return {
    async begin({ redirectUri, state, nonce, verifier, again }) {
      const { buildAuthorizationUrl, calculatePKCECodeChallenge } = await import('openid-client');
      const configuration = await configure().catch((error: unknown) => {
        throw new LongshoreError('DEPENDENCY_UNAVAILABLE', `The identity provider cannot be asked: ${whyOf(error)}.`, {
          cause: error,
        });
      });
      return buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: options.scopes,
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        max_age: again ? '0' : String(LONGEST_PROOF_SECONDS),
      });
    },
    async finish(callback, { state, nonce, verifier }) {
      const { authorizationCodeGrant } = await import('openid-client');
      try {
        const tokens = await authorizationCodeGrant(await configure(), callback, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        return claims === undefined
          ? { type: 'refused', why: 'no ID token' }
          : { type: 'accepted', claims: claims as unknown as OidcClaims };
      } catch (error) {
        const unavailable = unavailableIn(error);
        if (unavailable !== undefined) return { type: 'unreachable', message: unavailable.message };
        return { type: 'refused', why: whyOf(error) };
      }
    },
    async signOutUrl(returnTo) {
      const { buildEndSessionUrl } = await import('openid-client');
      try {
        const configuration = await configure();
        if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
        return buildEndSessionUrl(configuration, { post_logout_redirect_uri: returnTo });
      } catch {
        return undefined;
      }
    },
  };
}

async function discover(options: OidcProviderOptions): Promise<Configuration> {
  const oidc = await import('openid-client');
  const { issuer, clientId, clientSecretName, secrets } = options;
  const secret = clientSecretName === undefined ? undefined : (await secrets.read(clientSecretName)).text;
  const url = new URL(issuer);
  const configuration = await oidc.discovery(url, clientId, {}, oidc.None(), {
    [oidc.customFetch]: fetchBy(options.http),
    // The settings allow it for loopback alone.
    execute: [...(url.protocol === 'http:' ? [oidc.allowInsecureRequests] : []), oidc.enableNonRepudiationChecks],
  });
  if (secret === undefined) return configuration;
  const methods = configuration.serverMetadata().token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  const authentication = methods.includes('client_secret_basic')
    ? oidc.ClientSecretBasic(secret)
    : oidc.ClientSecretPost(secret);
  const authenticated = new oidc.Configuration(configuration.serverMetadata(), clientId, {}, authentication);
  authenticated[oidc.customFetch] = fetchBy(options.http);
  if (url.protocol === 'http:') oidc.allowInsecureRequests(authenticated);
  oidc.enableNonRepudiationChecks(authenticated);
  return authenticated;
}

/** The library's calls by our client, which bounds them. */
function fetchBy(http: HttpClient): CustomFetch {
  return async (url, { method, headers, body }) => {
    const outcome = await http.send({
      method: method === 'POST' ? 'POST' : 'GET',
      url: new URL(url),
      headers,
      ...(body instanceof URLSearchParams || typeof body === 'string' ? { body: String(body) } : {}),
    });
    const fault = outcome.type === 'replied' ? outcome.bodyFault : outcome;
    if (outcome.type !== 'replied' || fault !== undefined)
      throw new LongshoreError('DEPENDENCY_UNAVAILABLE', `The identity provider did not answer: ${fault?.message}`);
    const type = outcome.headers['content-type'];
    return new Response([204, 304].includes(outcome.status) ? null : new Uint8Array(outcome.body), {
      status: Math.max(200, outcome.status),
      headers: typeof type === 'string' ? { 'content-type': type } : {},
    });
  };
}

function unavailableIn(error: unknown): LongshoreError | undefined {
  for (let current = error, depth = 0; depth < 5 && current instanceof Error; depth += 1) {
    if (current instanceof LongshoreError) return current;
    current = current.cause;
  }
  return undefined;
}

/** A code, never what the provider wrote. */
function whyOf(error: unknown): string {
  const unavailable = unavailableIn(error);
  if (unavailable !== undefined) return unavailable.message;
  const { error: refusal, code } = (error ?? {}) as { readonly error?: unknown; readonly code?: unknown };
  if (typeof refusal === 'string' && OAUTH_CODE.test(refusal)) return refusal;
  if (typeof code === 'string' && /^[A-Z_]{2,60}$/.test(code)) return code;
  return 'its answer is not valid';
}
