/** The variables of the scanner's stand-in. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';

export const variables = z.object({
  LONGSHORE_HTTP_HOST: fleetVariables.LONGSHORE_HTTP_HOST,
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 }).describe('Port for health checks.'),
  LONGSHORE_CLAMD_PORT: integerVariable({ min: 0, max: 65_535 }).describe('Port of the scanner.'),
  LOG_LEVEL: fleetVariables.LOG_LEVEL,
});

export type ClamdConfig = z.output<typeof variables>;

export function loadClamdConfig(env: Readonly<Record<string, string | undefined>> = process.env): ClamdConfig {
  return loadConfig(variables, env);
}
