/**
 * Access tokens of one partner by OAuth2 client credentials (RFC 6749, 4.4).
 *
 * 1. One question to the issuer at a time, however many calls wait for a token; after a failure none for a second, doubling up to a minute.
 * 2. A token that the partner refused is not handed out again; nor is one made with a secret that was rotated since, or one that
 *    would expire on its way.
 * 3. Neither token nor secret is in any message.
 * 4. An issuer that is down is waited for. One that says no, or whose reply has no token, needs a person: its calls fail.
 */
import { z } from 'zod';
import type { PartnerDocument } from '#shared/definitions/partner-schema.ts';
import type { HttpClient } from '#shared/http/http-client.ts';
import type { Secret, SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { readReply } from './read-reply.ts';
import { parseRetryAfterMs } from './retry-after.ts';

export type OAuthSettings = Extract<PartnerDocument['auth'], { type: 'oauth2-client-credentials' }>;

export type TokenAnswer =
  | { readonly type: 'token'; readonly token: string }
  /** To be asked again after `afterMs`. */
  | { readonly type: 'away'; readonly message: string; readonly afterMs: number }
  | { readonly type: 'refused'; readonly message: string };

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
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Below 500, and yet no refusal of the credentials. */
const PASSING = [408, 425, 429, 499];

const replySchema = z.object({
  // What may be in a header, and no more.
  access_token: z
    .string()
    .trim()
    .min(1)
    .max(16_384)
    // Some give it as it is to be in the header.
    .transform((token) => token.replace(/^bearer +/i, ''))
    .pipe(z.string().regex(/^[\x21-\x7e]+$/)),
  // Required by RFC 6749, 5.1, and left out by some; Apigee says `BearerToken`.
  token_type: z
    .string()
    .trim()
    .regex(/^bearer(?:token)?$/i)
    .nullish(),
  expires_in: z.coerce.number().min(0).nullish().catch(undefined),
});

interface HeldToken {
  readonly token: string;
  readonly usableUntil: number;
  readonly secretVersion: string;
}

interface Failure {
  readonly isAway: boolean;
  readonly message: string;
  readonly at: number;
  readonly secretVersion: string;
  /** In a row. */
  readonly failures: number;
  /** The issuer's own wish. */
  readonly wishMs: number;
}

function pauseLeftMs({ at, failures, wishMs }: Failure, now: number): number {
  const pauseMs = Math.max(wishMs, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10));
  return at + Math.min(LONGEST_PAUSE_MS, pauseMs) - now;
}

function answerOf(failure: Failure, now: number): TokenAnswer {
  const { isAway, message } = failure;
  return isAway ? { type: 'away', message, afterMs: pauseLeftMs(failure, now) } : { type: 'refused', message };
}

export function createOAuthTokens({ settings, secrets, client, now }: OAuthTokensOptions): OAuthTokens {
  let held: HeldToken | undefined;
  let failure: Failure | undefined;
  let asking: Promise<TokenAnswer> | undefined;

  async function ask(secret: Secret): Promise<TokenAnswer> {
    const refresh = settings.refreshToken === undefined ? undefined : await secrets.read(settings.refreshToken);
    const outcome = await client.send({
      method: 'POST',
      url: new URL(settings.tokenUrl),
      ...tokenRequest(settings, secret, refresh),
    });
    const fail = (isAway: boolean, message: string): TokenAnswer => {
      const failures = failure?.secretVersion === secret.version ? failure.failures + 1 : 1;
      const wishMs = (outcome.type === 'replied' && parseRetryAfterMs(outcome.headers, now())) || 0;
      failure = { isAway, message, at: now(), secretVersion: secret.version, failures, wishMs };
      return answerOf(failure, now());
    };
    if (outcome.type === 'no-reply') {
      const words = outcome.cause === 'timeout' || outcome.cause === 'lost' ? '' : `: ${outcome.message}`;
      return fail(outcome.cause !== 'forbidden', `The token issuer did not answer${words}`.replace(/\.?$/, '.'));
    }
    const { status } = outcome;
    if (status < 200 || status >= 300) {
      return fail(status >= 500 || PASSING.includes(status), `The token issuer answered HTTP ${status}.`);
    }
    if (outcome.bodyFault?.cause === 'cut-off' || outcome.bodyFault?.cause === 'late') {
      return fail(true, 'The reply of the token issuer was cut off.');
    }
    const parsed = replySchema.safeParse(readReply(outcome));
    if (!parsed.success) return fail(false, 'The reply of the token issuer has no bearer token.');
    const lifetimeS = Math.min(parsed.data.expires_in ?? DEFAULT_LIFETIME_S, LONGEST_LIFETIME_S);
    const lifetimeMs = lifetimeS * 1_000 * (1 - UNUSED_SHARE);
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
      if (failure !== undefined && failure.secretVersion === secret.version && pauseLeftMs(failure, now()) > 0) {
        return answerOf(failure, now());
      }
      asking ??= ask(secret).finally(() => {
        asking = undefined;
      });
      return asking;
    },
  };
}

function tokenRequest(settings: OAuthSettings, secret: Secret, refresh: Secret | undefined) {
  const grant: Record<string, string> =
    refresh === undefined
      ? { grant_type: 'client_credentials' }
      : { grant_type: 'refresh_token', refresh_token: refresh.text };
  const form = new URLSearchParams({ ...settings.parameters, ...grant });
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
