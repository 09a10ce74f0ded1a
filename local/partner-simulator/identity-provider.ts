/**
 * The partner's issuer of tokens: OAuth2 client credentials, and the public keys that the authorizer checks them with.
 *
 * Its key lives as long as its process: after a restart old tokens are refused, and clients have to fetch fresh ones.
 */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export interface IdentityClient {
  readonly id: string;
  readonly secret: string;
  readonly scopes: readonly string[];
}

export interface IdentityProviderOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly clients: readonly IdentityClient[];
  readonly lifetimeS: number;
}

export interface TokenReply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface IdentityProvider {
  readonly issued: number;
  /** Of tokens issued from now on. */
  setLifetimeS(lifetimeS: number): void;
  /** The body of `/.well-known/jwks.json`. */
  publicKeys(): Readonly<Record<string, unknown>>;
  /** RFC 6749, 4.4: `form` is the body, `authorization` the header. */
  issueToken(form: URLSearchParams, authorization: string | undefined): Promise<TokenReply>;
  /** New tokens are signed with a new key, and the old one counts no longer. */
  rotateKey(): Promise<void>;
}

export async function createIdentityProvider(options: IdentityProviderOptions): Promise<IdentityProvider> {
  let key = await makeKey();
  let { lifetimeS } = options;
  let issued = 0;
  return {
    get issued() {
      return issued;
    },
    setLifetimeS(seconds) {
      lifetimeS = seconds;
    },
    publicKeys: () => ({ keys: [key.publicJwk] }),
    async rotateKey() {
      key = await makeKey();
    },
    async issueToken(form, authorization) {
      if (form.get('grant_type') !== 'client_credentials') return refusal(400, 'unsupported_grant_type');
      const client = authenticate(options.clients, form, authorization);
      if (client === undefined) return refusal(401, 'invalid_client');
      const scopes = form.get('scope')?.split(' ').filter(Boolean) ?? client.scopes;
      if (!scopes.every((scope) => client.scopes.includes(scope))) return refusal(400, 'invalid_scope');
      issued += 1;
      const nowS = Math.floor(Date.now() / 1_000);
      const token = await new SignJWT({ scope: scopes.join(' '), client_id: client.id })
        .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'at+jwt' })
        .setIssuer(options.issuer)
        .setAudience(options.audience)
        .setSubject(client.id)
        .setJti(randomUUID())
        .setIssuedAt(nowS)
        .setExpirationTime(nowS + lifetimeS)
        .sign(key.privateKey);
      return { status: 200, body: { access_token: token, token_type: 'Bearer', expires_in: lifetimeS } };
    },
  };
}

async function makeKey() {
  const kid = randomUUID();
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } };
}

function refusal(status: number, error: string): TokenReply {
  return { status, body: { error } };
}

function authenticate(clients: readonly IdentityClient[], form: URLSearchParams, authorization: string | undefined) {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1];
  const pair = basic === undefined ? undefined : Buffer.from(basic, 'base64').toString('utf8');
  const [id, secret] =
    pair === undefined
      ? [form.get('client_id'), form.get('client_secret')]
      : [decode(pair.slice(0, pair.indexOf(':'))), decode(pair.slice(pair.indexOf(':') + 1))];
  return clients.find((client) => client.id === id && isSame(client.secret, secret ?? ''));
}

/** RFC 6749, 2.3.1: both are form-encoded before they are joined. */
function decode(text: string): string {
  return new URLSearchParams(`v=${text}`).get('v') ?? '';
}

function isSame(left: string, right: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(left), hash(right));
}
