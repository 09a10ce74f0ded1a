/** An issuer whose answers a test chooses, and an authorizer that believes it. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose';
import { loadAuthorizerConfig } from '#services/authorizer/config.ts';
import { createAuthorizer } from '#services/authorizer/create-authorizer.ts';
import { createLogger } from '#shared/runtime/logger.ts';

export const ISSUER = 'https://issuer.example';
export const AUDIENCE = 'rfi-apis';
export const METHOD_ARN = 'arn:aws:execute-api:us-east-1:123456789012:abc123/prod/POST/validation';

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

export async function makeKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

export interface TokenFacts {
  readonly claims?: Record<string, unknown>;
  readonly header?: Partial<JWTHeaderParameters>;
  /** From now; the past when negative. */
  readonly expiresInS?: number;
}

export async function signToken(key: SigningKey, { claims = {}, header = {}, expiresInS = 300 }: TokenFacts = {}) {
  const nowS = Math.floor(Date.now() / 1_000);
  return new SignJWT({ sub: 'longshore', scope: 'rfi.validate', jti: 't-1', ...claims })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header } as JWTHeaderParameters)
    .setIssuer((claims.iss as string | undefined) ?? ISSUER)
    .setAudience((claims.aud as string | string[] | undefined) ?? AUDIENCE)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + expiresInS)
    .sign(key.privateKey);
}

export type IssuerReply = (response: ServerResponse) => void;

export function showKeys(...keys: readonly JWK[]): IssuerReply {
  return (response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
}

export async function startIssuer(reply: IssuerReply) {
  const state = { reply, asked: 0 };
  const server = createServer((request, response) => {
    request.resume();
    state.asked += 1;
    state.reply(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    state,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    async stop() {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function startAuthorizer(jwksUrl: string, env: Record<string, string> = {}) {
  const lines: string[] = [];
  const clock = { aheadMs: 0 };
  const config = loadAuthorizerConfig({
    LONGSHORE_AUTHORIZER_ISSUER: ISSUER,
    LONGSHORE_AUTHORIZER_AUDIENCE: AUDIENCE,
    LONGSHORE_AUTHORIZER_JWKS_URL: jwksUrl,
    LONGSHORE_AUTHORIZER_JWKS_TIMEOUT_MS: '10000',
    LONGSHORE_AUTHORIZER_RULES: JSON.stringify([
      { method: 'POST', path: '/validation', scopes: ['rfi.validate'] },
      { method: 'POST', path: '/coupons/*', scopes: ['rfi.validate', 'coupons.redeem'] },
    ]),
    ...env,
  });
  const logger = createLogger({ service: 'authorizer', destination: { write: (line: string) => lines.push(line) } });
  const authorize = createAuthorizer(config, { logger, now: () => Date.now() + clock.aheadMs });
  const ask = (authorizationToken: string) => authorize({ type: 'TOKEN', authorizationToken, methodArn: METHOD_ARN });
  return { authorize, ask, lines, clock };
}
