/** The variables of the partner simulator's process. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';
import type { IdentityClient } from './identity-provider.ts';
import { behaviourSchema } from './simulated-behaviour.ts';

const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be JSON' });
    return z.NEVER;
  }
});

export const variables = z.object({
  LONGSHORE_HTTP_HOST: z.string().default('127.0.0.1').describe('Address.'),
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 }).describe('Port.'),
  LONGSHORE_SIMULATOR_DIRECTORY: z
    .string()
    .describe('Directory for the ledger and for notices to its chat, which survive a kill.'),
  LONGSHORE_SIMULATOR_ISSUER: z.string().default('urn:longshore:simulated-partner').describe('Issuer of its tokens.'),
  LONGSHORE_SIMULATOR_AUDIENCE: z.string().default('rfi-apis').describe('Audience of its tokens.'),
  LONGSHORE_SIMULATOR_CLIENTS_FILE: z
    .string()
    .describe('File with JSON: `[{"id", "secret", "scopes"}]`; the clients that get tokens.'),
  LONGSHORE_SIMULATOR_TOKEN_LIFETIME_S: integerVariable({ min: 1, max: 86_400 })
    .default(300)
    .describe('Lifetime of its tokens.'),
  LONGSHORE_SIMULATOR_SEED: integerVariable({ min: 0, max: 4_294_967_295 })
    .default(1)
    .describe('Seed of shares and latencies: the same seed gives the same run.'),
  LONGSHORE_SIMULATOR_BEHAVIOUR: jsonText
    .pipe(behaviourSchema)
    .optional()
    .describe('JSON: initial latencies and faults, see `local/partner-simulator/README.md`.'),
  LOG_LEVEL: logLevelVariable
    .default('info')
    .describe('`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.'),
});

export type PartnerSimulatorConfig = z.output<typeof variables>;

export function loadPartnerSimulatorConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): PartnerSimulatorConfig {
  return loadConfig(variables, env);
}

const clientsSchema = z.array(
  z.strictObject({ id: z.string().min(1), secret: z.string().min(16), scopes: z.array(z.string().min(1)) }),
);

export function readIdentityClients(file: string): IdentityClient[] {
  return clientsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}
