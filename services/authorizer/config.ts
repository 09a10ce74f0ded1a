/** The variables of the authorizer. Everything that decides whom to believe is required: there is no default issuer or audience. */
import { z } from 'zod';
import { algorithmsVariable, keySetUrlVariable } from '#shared/access/token-variables.ts';
import {
  integerVariable,
  jsonVariable,
  listVariable,
  loadConfig,
  logLevelVariable,
} from '#shared/runtime/config/load-config.ts';

const accessRuleSchema = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', '*']),
  /** `/validation`, or a prefix such as `/coupons/*`. */
  path: z.string().regex(/^\/[A-Za-z0-9._~/-]*\*?$/, 'must begin with "/" and may end with "*"'),
  /** A token needs all of them. */
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be an OAuth scope')).min(1),
});
export type AccessRule = z.output<typeof accessRuleSchema>;

export const variables = z.object({
  LONGSHORE_AUTHORIZER_ISSUER: z.string().min(1).describe('Issuer whose tokens are accepted.'),
  LONGSHORE_AUTHORIZER_AUDIENCE: listVariable
    .pipe(z.array(z.string().min(1)).min(1))
    .describe('Accepted audiences, comma-separated.'),
  LONGSHORE_AUTHORIZER_JWKS_URL: keySetUrlVariable.describe("URL of the issuer's key set; https."),
  LONGSHORE_AUTHORIZER_RULES: jsonVariable
    .pipe(z.array(accessRuleSchema).min(1).max(100))
    .describe(
      'JSON: `[{"method":"POST","path":"/validation","scopes":["rfi.validate"]}]`. What no rule allows is denied.',
    ),
  LONGSHORE_AUTHORIZER_ALGORITHMS: algorithmsVariable
    .default(['RS256', 'ES256'])
    .describe('Accepted signature algorithms; asymmetric only.'),
  LONGSHORE_AUTHORIZER_CLOCK_TOLERANCE_S: integerVariable({ min: 0, max: 300 })
    .default(5)
    .describe("Accepted difference between the issuer's clock and ours."),
  /** API Gateway accepts 10,240 bytes of headers in total. */
  LONGSHORE_AUTHORIZER_LARGEST_TOKEN_BYTES: integerVariable({ min: 256, max: 65_536 })
    .default(8_192)
    .describe('Longer tokens are rejected without being parsed.'),
  LONGSHORE_AUTHORIZER_JWKS_TIMEOUT_MS: integerVariable({ min: 10, max: 10_000 })
    .default(3_000)
    .describe('Deadline for fetching the key set.'),
  LONGSHORE_AUTHORIZER_KEYS_REFRESH_MS: integerVariable({ min: 0, max: 86_400_000 })
    .default(600_000)
    .describe('A key set older than this is fetched again.'),
  LONGSHORE_AUTHORIZER_KEYS_MAX_AGE_MS: integerVariable({ min: 1_000, max: 86_400_000 })
    .default(3_600_000)
    .describe('While the issuer does not answer, keys are used up to this age.'),
  /** Invented key ids must not cause a flood of requests to the issuer. */
  LONGSHORE_AUTHORIZER_KEYS_COOLDOWN_MS: integerVariable({ min: 0, max: 600_000 })
    .default(10_000)
    .describe('Minimum time between two fetches caused by an unknown key.'),
  LOG_LEVEL: logLevelVariable
    .default('info')
    .describe('`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.'),
});

export type AuthorizerConfig = z.output<typeof variables>;

/** @throws LongshoreError `CONFIG_INVALID` with every fault. */
export function loadAuthorizerConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): AuthorizerConfig {
  return loadConfig(variables, env);
}
