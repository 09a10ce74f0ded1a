/**
 * Whether a bearer token is what it says: signature, issuer, audience, time.
 *
 * 1. Every way out that is not a verified token is a refusal; nothing is read from a token before its signature was checked.
 * 2. Only the algorithms of the configuration count, and they are all asymmetric.
 * 3. Size and form are looked at first, so that a huge or strange header costs nothing.
 */
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { LongshoreError } from '#shared/errors.ts';
import type { KeyCache } from './key-cache.ts';

export interface TokenRules {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly string[];
  readonly clockToleranceS: number;
  readonly largestTokenBytes: number;
}

export interface TokenIdentity {
  /** Printable ASCII, at most 256 characters: it becomes a header at the backend. */
  readonly subject: string;
  readonly clientId: string | undefined;
  readonly tokenId: string | undefined;
  readonly scopes: readonly string[];
  /** Seconds since 1970. */
  readonly expiresAt: number;
  readonly claims: Readonly<JWTPayload>;
}

export type RefusalReason =
  | 'missing'
  | 'too-large'
  | 'malformed'
  | 'algorithm'
  | 'unknown-key'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'not-yet-valid'
  | 'claims';

export type TokenVerdict =
  | { readonly type: 'accepted'; readonly identity: TokenIdentity }
  | { readonly type: 'refused'; readonly reason: RefusalReason }
  /** Neither good nor bad: the keys could not be read. */
  | { readonly type: 'unknown'; readonly error: LongshoreError };

export interface VerifyTokenOptions {
  readonly authorization: string | undefined;
  readonly rules: TokenRules;
  readonly keys: KeyCache;
  readonly now: () => number;
}

const BEARER = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i;
const HEADER_SAFE = /^[\x20-\x7e]{1,256}$/;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;

/** Whether a header has the size and form of a bearer token: all that can be said of it at no cost. */
export function isTokenHeader(authorization: string, { largestTokenBytes }: TokenRules): boolean {
  return authorization.length <= largestTokenBytes && BEARER.test(authorization);
}

export async function verifyToken({ authorization, rules, keys, now }: VerifyTokenOptions): Promise<TokenVerdict> {
  if (authorization === undefined || authorization === '') return refused('missing');
  if (authorization.length > rules.largestTokenBytes) return refused('too-large');
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) return refused('malformed');
  try {
    const { payload } = await jwtVerify(token, keys.findKey, {
      algorithms: [...rules.algorithms],
      issuer: rules.issuer,
      audience: [...rules.audience],
      clockTolerance: rules.clockToleranceS,
      requiredClaims: ['exp', 'sub'],
      currentDate: new Date(now()),
    });
    const identity = readIdentity(payload);
    return identity === undefined ? refused('claims') : { type: 'accepted', identity };
  } catch (error) {
    if (error instanceof LongshoreError) return { type: 'unknown', error };
    return refused(reasonOf(error));
  }
}

function refused(reason: RefusalReason): TokenVerdict {
  return { type: 'refused', reason };
}

function readIdentity(payload: JWTPayload): TokenIdentity | undefined {
  const { sub, exp, jti, client_id: clientId } = payload;
  if (typeof sub !== 'string' || !HEADER_SAFE.test(sub) || typeof exp !== 'number') return undefined;
  return {
    subject: sub,
    clientId: headerSafe(clientId),
    tokenId: headerSafe(jti),
    scopes: readScopes(payload),
    expiresAt: exp,
    claims: payload,
  };
}

function headerSafe(value: unknown): string | undefined {
  return typeof value === 'string' && HEADER_SAFE.test(value) ? value : undefined;
}

/** RFC 9068 has `scope` as one string; Azure and Okta write `scp`, as a string or a list. */
function readScopes({ scope, scp }: JWTPayload): string[] {
  const given = scope ?? scp;
  const scopes: unknown[] = typeof given === 'string' ? given.split(' ') : Array.isArray(given) ? given : [];
  return scopes.filter((name): name is string => typeof name === 'string' && SCOPE.test(name));
}

const REASONS_OF_CLAIMS: Readonly<Record<string, RefusalReason>> = {
  iss: 'issuer',
  aud: 'audience',
  nbf: 'not-yet-valid',
};

function reasonOf(error: unknown): RefusalReason {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return REASONS_OF_CLAIMS[error.claim] ?? 'claims';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
  if (error instanceof errors.JWKSNoMatchingKey) return 'unknown-key';
  return 'malformed';
}
