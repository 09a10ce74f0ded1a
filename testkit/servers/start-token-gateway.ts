/** The embedded API gateway before a simulated partner, with the authorizer that checks the partner's access tokens. */
import { type Gateway, startGateway } from '#local/gateway/start-gateway.ts';
import { loadAuthorizerConfig } from '#services/authorizer/config.ts';
import { createAuthorizer } from '#services/authorizer/create-authorizer.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface TokenGatewayOptions {
  readonly partnerUrl: string;
  readonly issuer: string;
  readonly audience: string;
  readonly logger: Logger;
}

export function startTokenGateway({ partnerUrl, issuer, audience, logger }: TokenGatewayOptions): Promise<Gateway> {
  const config = loadAuthorizerConfig({
    LONGSHORE_AUTHORIZER_ISSUER: issuer,
    LONGSHORE_AUTHORIZER_AUDIENCE: audience,
    LONGSHORE_AUTHORIZER_JWKS_URL: `${partnerUrl}/.well-known/jwks.json`,
    // So that a rotated key is known to be gone at once.
    LONGSHORE_AUTHORIZER_KEYS_COOLDOWN_MS: '0',
    LONGSHORE_AUTHORIZER_KEYS_REFRESH_MS: '0',
    LONGSHORE_AUTHORIZER_RULES: '[{"method":"POST","path":"/validation","scopes":["rfi.validate"]}]',
  });
  return startGateway({
    host: '127.0.0.1',
    port: 0,
    backend: new URL(partnerUrl),
    authorize: createAuthorizer(config, { logger }),
    logger,
  });
}
