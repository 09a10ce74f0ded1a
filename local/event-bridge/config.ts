/** The variables of the event bridge's process. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { loadConfig } from '#shared/runtime/config/load-config.ts';

const schema = z.object({
  AWS_REGION: fleetVariables.AWS_REGION,
  LONGSHORE_PREFIX: fleetVariables.LONGSHORE_PREFIX,
  LONGSHORE_HTTP_HOST: fleetVariables.LONGSHORE_HTTP_HOST,
  LONGSHORE_HTTP_PORT: fleetVariables.LONGSHORE_HTTP_PORT,
  LOG_LEVEL: fleetVariables.LOG_LEVEL,
  /** The S3 server's data directory, which holds its journal. Absent with a server that keeps none: reconciliation finds its objects. */
  LONGSHORE_S3_DIRECTORY: z.string().optional(),
  /** The SFTP gateway's data directory, which holds its journal. */
  LONGSHORE_SFTP_DIRECTORY: z.string(),
});

export type EventBridgeConfig = z.output<typeof schema>;

export function loadEventBridgeConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): EventBridgeConfig {
  return loadConfig(schema, env);
}
