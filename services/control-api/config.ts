/** The environment of the control API. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';
import { chatVariables } from './chat/chat-settings.ts';

export const variables = z.object({
  ...fleetVariables,
  LONGSHORE_API_HOST: z.string().optional().describe('Address of the API. Defaults to `LONGSHORE_HTTP_HOST`.'),
  LONGSHORE_API_PORT: integerVariable({ min: 0, max: 65_535 }).default(8080).describe('Port of the API.'),
  LONGSHORE_API_RATE_PER_SECOND: integerVariable({ min: 1, max: 100_000 })
    .default(100)
    .describe('Maximum requests per second with one key, averaged over 10 s. Each process counts its own.'),
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
  ...secretVariables,
  ...chatVariables,
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
});

export type ControlApiConfig = z.output<typeof variables>;

/** @throws LongshoreError `CONFIG_INVALID` */
export function readConfig(env: NodeJS.ProcessEnv = process.env): ControlApiConfig {
  return loadConfig(variables, env);
}
