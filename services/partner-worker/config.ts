/** The variables of the partner-worker. */
import { z } from 'zod';
import { copyVariables } from '#shared/runtime/config/copy-variables.ts';
import { fleetVariables, networksVariable } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';

const schema = z.object({
  ...fleetVariables,
  ...copyVariables,
  ...secretVariables,
  /** Partners' addresses that are not public and may be called all the same; without it none. */
  LONGSHORE_PARTNER_ADDRESSES: networksVariable.optional(),
  /** Jobs side by side. */
  LONGSHORE_SLOTS: integerVariable({ min: 1, max: 1_000 }).default(32),
  /** Receives side by side. */
  LONGSHORE_POLLERS: integerVariable({ min: 1, max: 10 }).default(1),
  /** For one try of a step; short steps end in seconds, a large CSV in minutes. */
  LONGSHORE_STEP_DEADLINE_MS: integerVariable({ min: 1_000, max: 3_600_000 }).default(300_000),
  /** Share of the slots that one tenant takes while others may be waiting behind it. */
  LONGSHORE_TENANT_SHARE_PERCENT: integerVariable({ min: 1, max: 100 }).default(50),
});

export type PartnerWorkerConfig = z.output<typeof schema>;

export function loadPartnerWorkerConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): PartnerWorkerConfig {
  return loadConfig(schema, env);
}
