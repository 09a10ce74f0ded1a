/** The variables of the event bridge's process. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { loadConfig } from '#shared/runtime/config/load-config.ts';

export const variables = z.object({
  AWS_REGION: fleetVariables.AWS_REGION,
  LONGSHORE_PREFIX: fleetVariables.LONGSHORE_PREFIX,
  LONGSHORE_HTTP_HOST: fleetVariables.LONGSHORE_HTTP_HOST,
  LONGSHORE_HTTP_PORT: fleetVariables.LONGSHORE_HTTP_PORT,
  LOG_LEVEL: fleetVariables.LOG_LEVEL,
  LONGSHORE_S3_DIRECTORY: z
    .string()
    .optional()
    .describe(
      "The S3 server's directory, which has its journal. Without it, reconciliation finds objects that SFTP did not write.",
    ),
  LONGSHORE_SFTP_DIRECTORY: z.string().describe("The SFTP gateway's directory, which has its journal."),
});

export type EventBridgeConfig = z.output<typeof variables>;

export function loadEventBridgeConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): EventBridgeConfig {
  return loadConfig(variables, env);
}
