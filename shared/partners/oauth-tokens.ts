/**
 * Access tokens of one partner by OAuth2 client credentials (RFC 6749, 4.4).
 *
 * 1. One question to the issuer at a time, however many calls wait for a token; after a failure none for a second.
 * 2. A token that the partner refused is not handed out again; nor is one made with a secret that was rotated since, or one that
 *    would expire on its way.
 * 3. Neither token nor secret is in any message.
 */
import { z } from 'zod';
import type { HttpClient } from '#shared/http/create-http-client.ts';
import type { Secret, SecretStore } from '#shared/secrets/secret-store.ts';
import type { PartnerDocument } from './partner-schema.ts';

export type OAuthSettings = Extract<PartnerDocument['auth'], { type: 'oauth2-client-credentials' }>;

export type TokenAnswer =
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'unavailable'; readonly message: string };

export interface OAuthTokens {
  /**
   * `refused`: the token that was just answered with 401.
   *
   * @throws LongshoreError `SECRET_UNAVAILABLE`
   */
  get(refused?: string): Promise<TokenAnswer>;
}

export interface OAuthTokensOptions {
  readonly settings: OAuthSettings;
  readonly secrets: SecretStore;
  readonly client: HttpClient;
  readonly now: () => number;
}

const DEFAULT_LIFETIME_S = 60;
const LONGEST_LIFETIME_S = 86_400;
/** Of a token's life that is not used: it has to be good when it arrives. */
const UNUSED_SHARE = 0.1;
const FAILURE_PAUSE_MS = 1_000;

const replySchema = z.object({
  // What may stand in a header, and no more.
  access_token: z
    .string()
    .min(1)
    .max(16_384)
    .regex(/^[\x21-\x7e]+$/),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.coerce.number().min(0).default(DEFAULT_LIFETIME_S),
});

interface HeldToken {
  readonly token: string;
  readonly usableUntil: number;
  readonly secretVersion: string;
}

export function createOAuthTokens({ settings, secrets, client, now }: OAuthTokensOptions): OAuthTokens {
  let held: HeldToken | undefined;
  let failure: { readonly message: string; readonly at: number; readonly secretVersion: string } | undefined;
  let asking: Promise<TokenAnswer> | undefined;

  async function ask(secret: Secret): Promise<TokenAnswer> {
    const outcome = await client.send({
      method: 'POST',
      url: new URL(settings.tokenUrl),
      ...tokenRequest(settings, secret),
    });
    const fail = (message: string): TokenAnswer => {
      failure = { message, at: now(), secretVersion: secret.version };
      return { type: 'unavailable', message };
    };
    if (outcome.type !== 'replied') return fail('The issuer of tokens did not answer.');
    if (outcome.status !== 200) return fail(`The issuer of tokens answered HTTP ${outcome.status}.`);
    const parsed = replySchema.safeParse(parseJson(outcome.body));
    if (!parsed.success) return fail('The answer of the issuer of tokens holds no bearer token.');
    const lifetimeMs = Math.min(parsed.data.expires_in, LONGEST_LIFETIME_S) * 1_000 * (1 - UNUSED_SHARE);
    held = { token: parsed.data.access_token, usableUntil: now() + lifetimeMs, secretVersion: secret.version };
    failure = undefined;
    return { type: 'token', token: held.token };
  }

  return {
    async get(refused) {
      const secret = await secrets.read(settings.clientSecret);
      if (held !== undefined && held.token === refused) held = undefined;
      if (held !== undefined && held.secretVersion === secret.version && now() < held.usableUntil) {
        return { type: 'token', token: held.token };
      }
      const isPaused =
        failure !== undefined && failure.secretVersion === secret.version && now() - failure.at < FAILURE_PAUSE_MS;
      if (failure !== undefined && isPaused) return { type: 'unavailable', message: failure.message };
      asking ??= ask(secret).finally(() => {
        asking = undefined;
      });
      return asking;
    },
  };
}

function tokenRequest(settings: OAuthSettings, secret: Secret) {
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  if (settings.scope !== undefined) form.set('scope', settings.scope);
  if (settings.audience !== undefined) form.set('audience', settings.audience);
  const headers: Record<string, string> = {
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
  };
  if (settings.credentials === 'body') {
    form.set('client_id', settings.clientId);
    form.set('client_secret', secret.text);
  } else {
    // RFC 6749, 2.3.1: form-encoded before they are joined.
    const encode = (text: string) => new URLSearchParams({ v: text }).toString().slice('v='.length);
    const pair = `${encode(settings.clientId)}:${encode(secret.text)}`;
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  return { headers, body: form.toString() };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
