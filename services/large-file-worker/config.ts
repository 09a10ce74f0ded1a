/** The variables of the large-file-worker. */
import { z } from 'zod';
import { scanVariables } from '#shared/content/scan/scan-variables.ts';
import { checkMail, mailVariables } from '#shared/notices/mail-variables.ts';
import { receiptVariables } from '#shared/receipts/receipt-variables.ts';
import { copyVariables, partnerVariables, remoteVariables } from '#shared/runtime/config/copy-variables.ts';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';

export const variables = z.object({
  ...fleetVariables,
  ...copyVariables,
  ...secretVariables,
  ...receiptVariables,
  ...mailVariables,
  ...scanVariables,
  ...partnerVariables,
  ...remoteVariables,
  LONGSHORE_SLOTS: integerVariable({ min: 1, max: 100 }).default(4).describe('Number of jobs processed concurrently.'),
  LONGSHORE_POLLERS: integerVariable({ min: 1, max: 10 }).default(1).describe('Number of concurrent receive requests.'),
  /** A queue keeps a message hidden for 12 h at most. */
  LONGSHORE_STEP_DEADLINE_MS: integerVariable({ min: 1_000, max: 36_000_000 })
    .default(36_000_000)
    .describe('Deadline for one attempt of a step. A copy of terabytes takes hours.'),
  LONGSHORE_TENANT_SHARE_PERCENT: integerVariable({ min: 1, max: 100 })
    .default(50)
    .describe('Maximum share of the slots for one tenant while other tenants may be waiting.'),
  ECS_AGENT_URI: z
    .url({ protocol: /^http$/ })
    .optional()
    .describe('Set by Amazon ECS. The service asks its agent not to stop the task while it works.'),
});

const schema = variables.superRefine(checkMail);

export type LargeFileWorkerConfig = z.output<typeof schema>;

export function loadLargeFileWorkerConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): LargeFileWorkerConfig {
  return loadConfig(schema, env);
}
