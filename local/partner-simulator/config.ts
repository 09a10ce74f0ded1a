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

const schema = z.object({
  LONGSHORE_HTTP_HOST: z.string().default('127.0.0.1'),
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 }),
  LONGSHORE_SIMULATOR_DIRECTORY: z.string(),
  LONGSHORE_SIMULATOR_ISSUER: z.string().default('urn:longshore:simulated-partner'),
  LONGSHORE_SIMULATOR_AUDIENCE: z.string().default('rfi-apis'),
  /** JSON: `[{"id":"longshore","secret":"...","scopes":["rfi.validate"]}]`, readable by its owner alone. */
  LONGSHORE_SIMULATOR_CLIENTS_FILE: z.string(),
  LONGSHORE_SIMULATOR_TOKEN_LIFETIME_S: integerVariable({ min: 1, max: 86_400 }).default(300),
  LONGSHORE_SIMULATOR_SEED: integerVariable({ min: 0, max: 4_294_967_295 }).default(1),
  /** JSON: latencies and faults from the first call on, as `PUT /_behaviour` takes them. */
  LONGSHORE_SIMULATOR_BEHAVIOUR: jsonText.pipe(behaviourSchema).optional(),
  LOG_LEVEL: logLevelVariable.default('info'),
});

export type PartnerSimulatorConfig = z.output<typeof schema>;

export function loadPartnerSimulatorConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): PartnerSimulatorConfig {
  return loadConfig(schema, env);
}

const clientsSchema = z.array(
  z.strictObject({ id: z.string().min(1), secret: z.string().min(16), scopes: z.array(z.string().min(1)) }),
);

export function readIdentityClients(file: string): IdentityClient[] {
  return clientsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}
