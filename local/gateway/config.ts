/** The variables of the gateway's process; those of the authorizer, which runs in it, are its own. */
import { z } from 'zod';
import { integerVariable, loadConfig } from '#shared/config/load-config.ts';

const schema = z.object({
  LONGSHORE_HTTP_HOST: z.string().default('127.0.0.1'),
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 }),
  LONGSHORE_GATEWAY_BACKEND_URL: z.url().transform((url) => new URL(url)),
  LONGSHORE_GATEWAY_DEADLINE_MS: integerVariable({ min: 10, max: 300_000 }).default(29_000),
  LOG_LEVEL: z.string().default('info'),
});

export type GatewayConfig = z.output<typeof schema>;

export function loadGatewayConfig(env: Readonly<Record<string, string | undefined>> = process.env): GatewayConfig {
  return loadConfig(schema, env);
}
