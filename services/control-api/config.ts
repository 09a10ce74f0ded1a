/** The environment of the control API. */
import { z } from 'zod';
import { ROLES } from '#shared/access/permissions.ts';
import { algorithmsVariable, keySetUrlVariable } from '#shared/access/token-variables.ts';
import type { Setting } from '#shared/api/settings.ts';
import { publicUrlVariable } from '#shared/campaigns/public-url-variable.ts';
import { checkMail, mailVariables } from '#shared/notices/mail-variables.ts';
import { receiptVariables } from '#shared/receipts/receipt-variables.ts';
import { linkVariables } from '#shared/reviews/link-variables.ts';
import { reasonRuleVariable } from '#shared/reviews/reason-rule.ts';
import { partnerVariables, remoteVariables } from '#shared/runtime/config/copy-variables.ts';
import { fleetVariables, homeRegionsVariable } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, jsonVariable, listVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';
import { chatVariables } from './chat/chat-settings.ts';
import { listSettings } from './settings/list-settings.ts';
import { checkSignIn, signInVariables } from './sign-in/sign-in-settings.ts';

export const variables = z.object({
  ...fleetVariables,
  LONGSHORE_API_HOST: z.string().optional().describe('Address of the API. Defaults to `LONGSHORE_HTTP_HOST`.'),
  LONGSHORE_API_PORT: integerVariable({ min: 0, max: 65_535 }).default(8080).describe('Port of the API.'),
  LONGSHORE_API_TLS: z
    .enum(['off', 'self-signed'])
    .default('off')
    .describe(
      '`self-signed`: the API speaks TLS with a certificate that it makes at startup, for a load balancer that checks none, as that of AWS.',
    ),
  LONGSHORE_API_RATE_PER_SECOND: integerVariable({ min: 1, max: 100_000 })
    .default(100)
    .describe(
      'Maximum requests per second of one customer (a tenant, or an operator’s key), averaged over 10 s, over all processes.',
    ),
  LONGSHORE_API_STRANGER_RATE_PER_MINUTE: integerVariable({ min: 1, max: 100_000 })
    .default(60)
    .describe('Maximum requests per minute without a valid key from one address.'),
  LONGSHORE_API_KEY_CACHE_MS: integerVariable({ min: 0, max: 30_000 })
    .default(15_000)
    .describe('How long an accepted key is cached. Revoking a key takes effect after at most this time.'),
  LONGSHORE_API_STREAMS_PER_KEY: integerVariable({ min: 1, max: 10_000 })
    .default(20)
    .describe('Maximum number of open event streams with one key. Each process counts its own.'),
  LONGSHORE_API_STREAMS: integerVariable({ min: 1, max: 100_000 })
    .default(500)
    .describe('Maximum number of open event streams of one process.'),
  LONGSHORE_S3_PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'URL at which senders and browsers reach the object store, for presigned URLs. Defaults to the endpoint that the fleet uses.',
    ),
  LONGSHORE_PUBLIC_URL: publicUrlVariable,
  LONGSHORE_HOME_REGIONS: homeRegionsVariable,
  ...secretVariables,
  ...remoteVariables,
  ...partnerVariables,
  ...receiptVariables,
  ...chatVariables,
  ...linkVariables,
  ...signInVariables,
  ...mailVariables,
  LONGSHORE_ACTION_APPROVAL_OVER: integerVariable({ min: 0, max: 100_000 })
    .optional()
    .describe('Actions on more rows than this wait for a second person. Without it, only `resend` does.'),
  LONGSHORE_REASON_PATTERN: reasonRuleVariable
    .optional()
    .describe(
      'Regular expression (RE2) that must be found in reasons of operators, such as `INC-\\d+`: a ticket. Without it, any reason is accepted.',
    ),
  LONGSHORE_API_TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((address) => address.trim())
        .filter((address) => address !== ''),
    )
    .describe('Addresses or networks whose `X-Forwarded-For` is trusted, comma-separated.'),
  LONGSHORE_API_OAUTH_ISSUER: z
    .string()
    .optional()
    .describe(
      'Issuer whose access tokens are accepted in addition to API keys. Set it with audience and key set, or none of them.',
    ),
  LONGSHORE_API_OAUTH_AUDIENCE: listVariable
    .pipe(z.array(z.string().min(1)).min(1))
    .optional()
    .describe('Accepted audiences, comma-separated.'),
  LONGSHORE_API_OAUTH_JWKS_URL: keySetUrlVariable.optional().describe("URL of the issuer's key set; https."),
  LONGSHORE_API_OAUTH_ALGORITHMS: algorithmsVariable
    .default(['RS256', 'ES256'])
    .describe('Accepted signature algorithms; asymmetric only.'),
  LONGSHORE_API_OAUTH_ROLES: jsonVariable
    .pipe(z.record(z.string(), z.enum(ROLES)))
    .optional()
    .describe(
      'JSON from scopes, roles or groups to roles: `{"longshore.operate":"operator"}`. The first match counts.',
    ),
  LONGSHORE_API_OAUTH_TENANT_CLAIM: z
    .string()
    .default('tenant')
    .describe("The claim that names the tenant of a token with a tenant's role."),
});

const schema = variables.superRefine((read, context) => {
  checkSignIn(read, context);
  checkMail(read, context);
  const { LONGSHORE_API_OAUTH_ISSUER, LONGSHORE_API_OAUTH_AUDIENCE, LONGSHORE_API_OAUTH_JWKS_URL } = read;
  const together = { LONGSHORE_API_OAUTH_ISSUER, LONGSHORE_API_OAUTH_AUDIENCE, LONGSHORE_API_OAUTH_JWKS_URL };
  const missing = Object.entries(together).filter(([, value]) => value === undefined);
  if (missing.length === 0 || missing.length === 3) return;
  for (const [name] of missing)
    context.addIssue({ code: 'custom', path: [name], message: 'is required where tokens are accepted' });
});

export type ControlApiConfig = z.output<typeof variables>;

/** @throws LongshoreError `CONFIG_INVALID` */
export function readConfig(env: NodeJS.ProcessEnv = process.env): ControlApiConfig {
  return loadConfig(schema, env);
}

/** What people may see of it. */
export function readSettings(env: NodeJS.ProcessEnv = process.env): Setting[] {
  return listSettings(variables.shape, env);
}
