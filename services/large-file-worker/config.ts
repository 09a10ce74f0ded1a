/** The variables of the large-file-worker. */
import { z } from 'zod';
import { copyVariables } from '#shared/runtime/config/copy-variables.ts';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';

const schema = z.object({
  ...fleetVariables,
  ...copyVariables,
  ...secretVariables,
  /** Jobs side by side. */
  LONGSHORE_SLOTS: integerVariable({ min: 1, max: 100 }).default(4),
  /** Receives side by side. */
  LONGSHORE_POLLERS: integerVariable({ min: 1, max: 10 }).default(1),
  /** For one try of a step: a copy of terabytes takes hours. A queue keeps a message hidden for 12 h at most. */
  LONGSHORE_STEP_DEADLINE_MS: integerVariable({ min: 1_000, max: 36_000_000 }).default(36_000_000),
  /** Share of the slots that one tenant takes while others may be waiting behind it. */
  LONGSHORE_TENANT_SHARE_PERCENT: integerVariable({ min: 1, max: 100 }).default(50),
  /** Given by Amazon ECS: its agent is asked not to end the task while it works. */
  ECS_AGENT_URI: z.url({ protocol: /^http$/ }).optional(),
});

export type LargeFileWorkerConfig = z.output<typeof schema>;

export function loadLargeFileWorkerConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): LargeFileWorkerConfig {
  return loadConfig(schema, env);
}
