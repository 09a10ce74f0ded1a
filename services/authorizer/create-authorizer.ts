/**
 * The authorizer: one question of API Gateway, one answer.
 *
 * 1. It fails closed. There is one way to an Allow, a verified token with the scopes for it; everything else denies or throws.
 * 2. A token that is missing, forged or expired is `Unauthorized`, which API Gateway turns into 401, so that clients fetch a fresh one;
 *    a good token without the scopes is a Deny, 403.
 * 3. When the keys cannot be read it throws something else, 500: a Deny would be kept for minutes, a 500 is not, and clients try again.
 * 4. No token, and nothing of one that was not verified, reaches a log or an answer.
 */

import { createKeyCache } from '#shared/access/key-cache.ts';
import { verifyToken } from '#shared/access/verify-token.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { readAuthorizerEvent } from './authorizer-event.ts';
import type { AuthorizerConfig } from './config.ts';
import { type AuthorizerAnswer, createPolicy } from './iam-policy.ts';

/** @throws an error with the message `Unauthorized`, or any other when it could not decide. */
export type Authorizer = (event: unknown) => Promise<AuthorizerAnswer>;

export interface AuthorizerDependencies {
  readonly logger: Logger;
  readonly now?: () => number;
}

export function createAuthorizer(
  config: AuthorizerConfig,
  { logger, now = Date.now }: AuthorizerDependencies,
): Authorizer {
  const keys = createKeyCache({
    url: config.LONGSHORE_AUTHORIZER_JWKS_URL,
    timeoutMs: config.LONGSHORE_AUTHORIZER_JWKS_TIMEOUT_MS,
    refreshMs: config.LONGSHORE_AUTHORIZER_KEYS_REFRESH_MS,
    maxAgeMs: config.LONGSHORE_AUTHORIZER_KEYS_MAX_AGE_MS,
    cooldownMs: config.LONGSHORE_AUTHORIZER_KEYS_COOLDOWN_MS,
    now,
  });
  const rules = {
    issuer: config.LONGSHORE_AUTHORIZER_ISSUER,
    audience: config.LONGSHORE_AUTHORIZER_AUDIENCE,
    algorithms: config.LONGSHORE_AUTHORIZER_ALGORITHMS,
    clockToleranceS: config.LONGSHORE_AUTHORIZER_CLOCK_TOLERANCE_S,
    largestTokenBytes: config.LONGSHORE_AUTHORIZER_LARGEST_TOKEN_BYTES,
  };

  return async (event) => {
    const question = readAuthorizerEvent(event);
    if (question === undefined) {
      logger.error('event is not from API Gateway');
      throw new LongshoreError('REQUEST_INVALID', 'The event is not a TOKEN or REQUEST event of API Gateway.');
    }
    const verdict = await verifyToken({ authorization: question.authorization, rules, keys, now });
    switch (verdict.type) {
      case 'unknown':
        logger.error({ err: verdict.error }, 'token not decided');
        throw verdict.error;
      case 'refused':
        logger.warn({ reason: verdict.reason }, 'token refused');
        // API Gateway knows this one text.
        throw new LongshoreError('UNAUTHENTICATED', 'Unauthorized');
      case 'accepted': {
        const { identity } = verdict;
        const answer = createPolicy({
          identity,
          rules: config.LONGSHORE_AUTHORIZER_RULES,
          stageArn: question.stageArn,
        });
        const effect = answer.policyDocument.Statement[0]?.Effect;
        logger.info({ subject: identity.subject, tokenId: identity.tokenId, effect }, 'token accepted');
        return answer;
      }
    }
  };
}
