/** The variables of the router. */
import { z } from 'zod';
import { fleetVariables } from '#shared/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/config/load-config.ts';

const schema = z.object({
  ...fleetVariables,
  /** Files routed side by side. */
  LONGSHORE_SLOTS: integerVariable({ min: 1, max: 2_000 }).default(200),
  /** Receives side by side. */
  LONGSHORE_POLLERS: integerVariable({ min: 1, max: 10 }).default(2),
});

export type RouterConfig = z.output<typeof schema>;

export function loadRouterConfig(env: Readonly<Record<string, string | undefined>> = process.env): RouterConfig {
  return loadConfig(schema, env);
}
