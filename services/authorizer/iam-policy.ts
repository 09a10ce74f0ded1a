/**
 * The policy that API Gateway acts on.
 *
 * 1. It says what the token may do in the whole stage, not only what was just asked: API Gateway keeps a policy per token and would
 *    answer the next path from it.
 * 2. Resources are built from the configuration alone. Method and path of the caller never get into one, where `*` would be a wildcard.
 */

import type { TokenIdentity } from '#shared/access/verify-token.ts';
import type { AccessRule } from './config.ts';

export interface PolicyStatement {
  readonly Action: 'execute-api:Invoke';
  readonly Effect: 'Allow' | 'Deny';
  readonly Resource: readonly string[];
}

export interface AuthorizerAnswer {
  readonly principalId: string;
  readonly policyDocument: { readonly Version: '2012-10-17'; readonly Statement: readonly PolicyStatement[] };
  /** API Gateway takes strings, numbers and booleans only. */
  readonly context: Readonly<Record<string, string | number | boolean>>;
}

export interface CreatePolicyOptions {
  readonly identity: TokenIdentity;
  readonly rules: readonly AccessRule[];
  readonly stageArn: string;
}

/** Allows what the token's scopes suffice for; denies everything when that is nothing. */
export function createPolicy({ identity, rules, stageArn }: CreatePolicyOptions): AuthorizerAnswer {
  const scopes = new Set(identity.scopes);
  const allowed = rules.filter((rule) => rule.scopes.every((scope) => scopes.has(scope)));
  const statement: PolicyStatement =
    allowed.length === 0
      ? { Action: 'execute-api:Invoke', Effect: 'Deny', Resource: [`${stageArn}/*`] }
      : {
          Action: 'execute-api:Invoke',
          Effect: 'Allow',
          Resource: allowed.map(({ method, path }) => `${stageArn}/${method}${path}`),
        };
  return {
    principalId: identity.subject,
    policyDocument: { Version: '2012-10-17', Statement: [statement] },
    context: {
      subject: identity.subject,
      scope: identity.scopes.join(' '),
      expiresAt: identity.expiresAt,
      ...(identity.clientId !== undefined && { clientId: identity.clientId }),
      ...(identity.tokenId !== undefined && { tokenId: identity.tokenId }),
      ...(allowed.length === 0 && { reason: 'scope' }),
    },
  };
}
