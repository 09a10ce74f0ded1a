/** The variables of the authorizer. Everything that decides whom to believe is required: there is no default issuer or audience. */
import { z } from 'zod';
import { integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

/** Signatures with a public half only: with HS256 in the list, whoever knows a public key could sign. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const accessRuleSchema = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', '*']),
  /** `/validation`, or a prefix such as `/coupons/*`. */
  path: z.string().regex(/^\/[A-Za-z0-9._~/-]*\*?$/, 'must begin with "/" and may end with "*"'),
  /** A token needs all of them. */
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be an OAuth scope')).min(1),
});
export type AccessRule = z.output<typeof accessRuleSchema>;

const commaList = z.string().transform((text) => text.split(',').map((part) => part.trim()));

const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be JSON' });
    return z.NEVER;
  }
});

const isLoopback = (url: URL) => ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);

export const variables = z.object({
  LONGSHORE_AUTHORIZER_ISSUER: z.string().min(1).describe('Issuer whose tokens are accepted.'),
  LONGSHORE_AUTHORIZER_AUDIENCE: commaList
    .pipe(z.array(z.string().min(1)).min(1))
    .describe('Accepted audiences, comma-separated.'),
  LONGSHORE_AUTHORIZER_JWKS_URL: z
    .url()
    .transform((url) => new URL(url))
    .refine((url) => url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url)), {
      error: 'must be https: whoever can change the keys on their way can sign tokens',
    })
    .describe("URL of the issuer's key set; https."),
  LONGSHORE_AUTHORIZER_RULES: jsonText
    .pipe(z.array(accessRuleSchema).min(1).max(100))
    .describe(
      'JSON: `[{"method":"POST","path":"/validation","scopes":["rfi.validate"]}]`. What no rule allows is denied.',
    ),
  LONGSHORE_AUTHORIZER_ALGORITHMS: commaList
    .pipe(z.array(z.enum(ALGORITHMS)).min(1))
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
