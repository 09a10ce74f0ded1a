/** The variables of the gateway's process; those of the authorizer, which runs in it, are its own. */
import { z } from 'zod';
import { integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

/** As an authorizer's rule names it, e.g. `POST /oauth/token`. */
const OPEN_METHOD = /^(?:GET|POST|PUT|PATCH|DELETE) \/[A-Za-z0-9._~/-]*$/;

const schema = z.object({
  LONGSHORE_HTTP_HOST: z.string().default('127.0.0.1'),
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 }),
  /** Its path comes before the path of each call. */
  LONGSHORE_GATEWAY_BACKEND_URL: z
    .url({ protocol: /^https?$/ })
    .transform((url) => new URL(url))
    .refine(({ search, hash }) => search === '' && hash === '', 'must have no query and no fragment'),
  /** Methods without an authorizer, separated by commas: a client that fetches its token has none to show. */
  LONGSHORE_GATEWAY_OPEN: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(z.string().regex(OPEN_METHOD, 'must be such as "POST /oauth/token"')))
    .default([]),
  LONGSHORE_GATEWAY_DEADLINE_MS: integerVariable({ min: 10, max: 300_000 }).default(29_000),
  LOG_LEVEL: logLevelVariable.default('info'),
});

export type GatewayConfig = z.output<typeof schema>;

export function loadGatewayConfig(env: Readonly<Record<string, string | undefined>> = process.env): GatewayConfig {
  return loadConfig(schema, env);
}
