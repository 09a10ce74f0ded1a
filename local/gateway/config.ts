/** The variables of the gateway's process; those of the authorizer, which runs in it, are its own. */
import { z } from 'zod';
import { integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

/** As an authorizer's rule names it, e.g. `POST /oauth/token`. */
const OPEN_METHOD = /^(?:GET|POST|PUT|PATCH|DELETE) \/[A-Za-z0-9._~/-]*$/;

export const variables = z.object({
  LONGSHORE_HTTP_HOST: z.string().default('127.0.0.1').describe('Address.'),
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 }).describe('Port.'),
  LONGSHORE_GATEWAY_BACKEND_URL: z
    .url({ protocol: /^https?$/ })
    .transform((url) => new URL(url))
    .refine(({ search, hash }) => search === '' && hash === '', 'must have no query and no fragment')
    .describe("URL of the partner, http or https. Its path is put before each call's path."),
  LONGSHORE_GATEWAY_OPEN: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(z.string().regex(OPEN_METHOD, 'must be such as "POST /oauth/token"')))
    .default([])
    .describe('Methods that need no authorizer, such as `POST /oauth/token`, comma-separated.'),
  LONGSHORE_GATEWAY_DEADLINE_MS: integerVariable({ min: 10, max: 300_000 })
    .default(29_000)
    .describe("Deadline for the partner's reply."),
  LOG_LEVEL: logLevelVariable.default('info').describe('`npm start` sets `warn`: otherwise each call writes a line.'),
});

export type GatewayConfig = z.output<typeof variables>;

export function loadGatewayConfig(env: Readonly<Record<string, string | undefined>> = process.env): GatewayConfig {
  return loadConfig(variables, env);
}
