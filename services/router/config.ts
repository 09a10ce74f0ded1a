/** The variables of the router. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';

const schema = z.object({
  ...fleetVariables,
  /** Files routed side by side. */
  LONGSHORE_SLOTS: integerVariable({ min: 1, max: 2_000 }).default(200),
  /** Receives side by side. */
  LONGSHORE_POLLERS: integerVariable({ min: 1, max: 10 }).default(2),
  /** How long after its upload a file of an ordered route is taken at the earliest, so that events which overtook one another come into order. */
  LONGSHORE_ORDER_SETTLE_MS: integerVariable({ min: 0, max: 3_600_000 }).default(5_000),
});

export type RouterConfig = z.output<typeof schema>;

export function loadRouterConfig(env: Readonly<Record<string, string | undefined>> = process.env): RouterConfig {
  return loadConfig(schema, env);
}
