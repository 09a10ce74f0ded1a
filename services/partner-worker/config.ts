/** The variables of the partner-worker. */
import { z } from 'zod';
import { publicUrlVariable } from '#shared/campaigns/public-url-variable.ts';
import { scanVariables } from '#shared/content/scan/scan-variables.ts';
import { LANES } from '#shared/definitions/lanes.ts';
import { checkMail, mailVariables } from '#shared/notices/mail-variables.ts';
import { receiptVariables } from '#shared/receipts/receipt-variables.ts';
import { linkVariables } from '#shared/reviews/link-variables.ts';
import { copyVariables, partnerVariables, remoteVariables } from '#shared/runtime/config/copy-variables.ts';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, listVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';

const lanesVariable = listVariable
  .pipe(z.array(z.enum(LANES)).min(1))
  .default([...LANES])
  .describe('Lanes whose steps are processed, comma-separated: `platinum`, `standard`, `bronze`.');

export const variables = z.object({
  ...fleetVariables,
  ...copyVariables,
  ...secretVariables,
  ...receiptVariables,
  ...mailVariables,
  ...scanVariables,
  ...linkVariables,
  LONGSHORE_PUBLIC_URL: publicUrlVariable,
  ...partnerVariables,
  ...remoteVariables,
  LONGSHORE_SLOTS: integerVariable({ min: 1, max: 1_000 })
    .default(32)
    .describe('Number of jobs processed concurrently.'),
  LONGSHORE_LANES: lanesVariable,
  LONGSHORE_POLLERS: integerVariable({ min: 1, max: 10 }).default(1).describe('Number of concurrent receive requests.'),
  LONGSHORE_STEP_DEADLINE_MS: integerVariable({ min: 1_000, max: 3_600_000 })
    .default(300_000)
    .describe('Deadline for one attempt of a step.'),
  LONGSHORE_TENANT_SHARE_PERCENT: integerVariable({ min: 1, max: 100 })
    .default(50)
    .describe('Maximum share of the slots for one tenant while other tenants may be waiting.'),
});

const schema = variables.superRefine(checkMail);

export type PartnerWorkerConfig = z.output<typeof schema>;

export function loadPartnerWorkerConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): PartnerWorkerConfig {
  return loadConfig(schema, env);
}
