/** The environment of the control API. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';

const configSchema = z.object({
  ...fleetVariables,
  /** Where the API itself listens; health and metrics have a port of their own. `LONGSHORE_HTTP_HOST` when absent. */
  LONGSHORE_API_HOST: z.string().optional(),
  LONGSHORE_API_PORT: integerVariable({ min: 0, max: 65_535 }).default(8080),
  /** Requests of one API key, averaged over 10 s; each process counts its own. */
  LONGSHORE_API_RATE_PER_SECOND: integerVariable({ min: 1, max: 100_000 }).default(100),
  /** Requests without a valid key from one address: enough for a person's mistakes. */
  LONGSHORE_API_STRANGER_RATE_PER_MINUTE: integerVariable({ min: 1, max: 100_000 }).default(60),
  /** For how long an accepted key is not looked up again; revoking takes effect after at most this. */
  LONGSHORE_API_KEY_CACHE_MS: integerVariable({ min: 0, max: 30_000 }).default(15_000),
  /** Streams of events that one key, and that all of them, may hold open at this process. */
  LONGSHORE_API_STREAMS_PER_KEY: integerVariable({ min: 1, max: 10_000 }).default(20),
  LONGSHORE_API_STREAMS: integerVariable({ min: 1, max: 100_000 }).default(500),
  /** Addresses or networks of the load balancer whose `X-Forwarded-For` is believed, comma-separated; none by default. */
  LONGSHORE_API_TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((address) => address.trim())
        .filter((address) => address !== ''),
    ),
});

export type ControlApiConfig = z.output<typeof configSchema>;

/** @throws LongshoreError `CONFIG_INVALID` */
export function readConfig(env: NodeJS.ProcessEnv = process.env): ControlApiConfig {
  return loadConfig(configSchema, env);
}
