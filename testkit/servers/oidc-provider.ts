/** An OpenID Connect provider, hand-written, that lies in every way that a test asks for. */
import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';

export const OIDC_LIES = [
  'nonce',
  'alg none',
  'alg HS256',
  'expired',
  'audience',
  'issuer',
  'key',
  'unknown key',
  'another party',
  'no subject',
  'no expiry',
  'no audience',
  'no id token',
  'silent token',
  'huge token',
  'redirected token',
  'error token',
  'not json',
  'silent keys',
  'huge keys',
  'redirected keys',
] as const;
export type OidcLie = (typeof OIDC_LIES)[number];

export interface TestProvider {
  readonly issuer: string;
  lie: OidcLie | undefined;
  /** What it says of the person. */
  claims: Record<string, unknown>;
  /** What the browser is sent to after the person has signed in at `url`, as the provider was asked to. */
  signIn(url: string): URL;
  /** Of the requests to the token endpoint. */
  readonly tokenRequests: URLSearchParams[];
  stop(): Promise<void>;
}

const HUGE = 'x'.repeat(2_000_000);

export async function startTestProvider({
  clientId,
  secret,
}: {
  clientId: string;
  secret: string;
}): Promise<TestProvider> {
  const [right, wrong] = [makeKey(), makeKey()];
  const codes = new Map<string, URLSearchParams>();
  const tokenRequests: URLSearchParams[] = [];
  const open = new Set<ServerResponse>();
  let issuer = '';

  const provider = { lie: undefined as OidcLie | undefined, claims: {} as Record<string, unknown> };

  async function idToken(asked: URLSearchParams): Promise<string> {
    const { lie, claims } = provider;
    const payload = {
      iss: lie === 'issuer' ? 'https://elsewhere.example' : issuer,
      aud: lie === 'audience' ? 'another-client' : clientId,
      nonce: lie === 'nonce' ? 'another' : (asked.get('nonce') ?? undefined),
      iat: seconds() - (lie === 'expired' ? 7_200 : 0),
      exp: seconds() + (lie === 'expired' ? -3_600 : 300),
      ...claims,
      ...(lie === 'another party' && { aud: [clientId, 'another-client'], azp: 'another-client' }),
    } as JWTPayload;
    if (lie === 'no subject') delete payload.sub;
    if (lie === 'no expiry') delete payload.exp;
    if (lie === 'no audience') delete payload.aud;
    if (lie === 'alg none') return new UnsecuredJWT(payload).encode();
    if (lie === 'alg HS256')
      return await new SignJWT(payload)
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(secret.padEnd(64)));
    return await new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256', kid: lie === 'unknown key' ? 'two' : 'one' })
      .sign((lie === 'key' ? wrong : right).privateKey);
  }

  async function answerToken(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = new URLSearchParams(await readBody(request));
    tokenRequests.push(body);
    const asked = codes.get(body.get('code') ?? '');
    codes.delete(body.get('code') ?? '');
    const isAuthorized = credentialsOf(request) === `${clientId}:${secret}`;
    const isBound =
      asked !== undefined && (await challengeOf(body.get('code_verifier') ?? '')) === asked.get('code_challenge');
    if (!isAuthorized || !isBound || provider.lie === 'error token')
      return json(response, { error: 'invalid_grant' }, 400);
    if (provider.lie === 'not json') return void response.end('<html>');
    json(response, {
      access_token: randomUUID(),
      token_type: 'Bearer',
      expires_in: 300,
      ...(provider.lie === 'no id token' ? {} : { id_token: await idToken(asked) }),
    });
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', issuer);
    const what = pathname === '/keys' ? 'keys' : 'token';
    const mayLie = pathname !== '/.well-known/openid-configuration';
    if (mayLie && provider.lie === `silent ${what}`) return;
    if (mayLie && provider.lie === `huge ${what}`) return json(response, { huge: HUGE });
    if (mayLie && provider.lie === `redirected ${what}`)
      return void response.writeHead(302, { location: `${issuer}/elsewhere` }).end();
    if (pathname === '/token') return await answerToken(request, response);
    if (pathname === '/keys') {
      const jwk = await exportJWK(right.publicKey);
      return json(response, { keys: [{ ...jwk, kid: 'one', alg: 'RS256', use: 'sig' }] });
    }
    if (!mayLie)
      return json(response, {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
        end_session_endpoint: `${issuer}/sign-out`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
        code_challenge_methods_supported: ['S256'],
      });
    response.writeHead(404).end();
  }

  const server: Server = createServer((request, response) => {
    open.add(response);
    response.once('close', () => open.delete(response));
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return Object.assign(provider, {
    issuer,
    tokenRequests,
    signIn(url: string) {
      const asked = new URL(url).searchParams;
      const code = randomUUID();
      codes.set(code, asked);
      const back = new URL(asked.get('redirect_uri') ?? '');
      back.searchParams.set('code', code);
      back.searchParams.set('state', asked.get('state') ?? '');
      return back;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function makeKey(): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  return generateKeyPairSync('rsa', { modulusLength: 2_048 });
}

/** Of HTTP Basic, each part form-encoded first (RFC 6749, section 2.3.1). */
function credentialsOf({ headers }: IncomingMessage): string {
  return decodeURIComponent(atob((headers.authorization ?? '').replace(/^Basic /, '')));
}

function seconds(): number {
  return Math.floor(Date.now() / 1_000);
}

async function challengeOf(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  return Buffer.from(digest).toString('base64url');
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
