/** The variables of the router. */
import { z } from 'zod';
import { fleetVariables, homeRegionsVariable } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';

export const variables = z.object({
  ...fleetVariables,
  LONGSHORE_HOME_REGIONS: homeRegionsVariable,
  LONGSHORE_SLOTS: integerVariable({ min: 1, max: 2_000 })
    .default(200)
    .describe('Number of files processed concurrently.'),
  LONGSHORE_POLLERS: integerVariable({ min: 1, max: 10 }).default(2).describe('Number of concurrent receive requests.'),
  LONGSHORE_ORDER_SETTLE_MS: integerVariable({ min: 0, max: 3_600_000 })
    .default(5_000)
    .describe(
      'Minimum time between the upload and the start of a file on an ordered route, so that late events can be put in order.',
    ),
});

export type RouterConfig = z.output<typeof variables>;

export function loadRouterConfig(env: Readonly<Record<string, string | undefined>> = process.env): RouterConfig {
  return loadConfig(variables, env);
}
