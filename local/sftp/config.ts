/** The variables of the SFTP gateway's process. */
import { z } from 'zod';
import { databaseVariables } from '#shared/db/connect-database.ts';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
import { DEFAULT_LIMITS } from './limits.ts';

export const variables = z.object({
  ...databaseVariables,
  AWS_REGION: fleetVariables.AWS_REGION,
  LONGSHORE_PREFIX: fleetVariables.LONGSHORE_PREFIX,
  LONGSHORE_S3_PATH_STYLE: fleetVariables.LONGSHORE_S3_PATH_STYLE,
  /** Health and metrics. */
  LONGSHORE_HTTP_HOST: fleetVariables.LONGSHORE_HTTP_HOST,
  LONGSHORE_HTTP_PORT: fleetVariables.LONGSHORE_HTTP_PORT,
  LOG_LEVEL: fleetVariables.LOG_LEVEL,
  LONGSHORE_SFTP_HOST: z.string().default('127.0.0.1').describe('Address of the SFTP server.'),
  LONGSHORE_SFTP_PORT: integerVariable({ min: 0, max: 65_535 }).describe('Port of the SFTP server.'),
  LONGSHORE_SFTP_DIRECTORY: z.string().describe('Directory for the journal of events.'),
  LONGSHORE_SFTP_HOST_KEY_FILE: z.string().describe('File of the host key; created if it does not exist.'),
  LONGSHORE_SFTP_SERVER_ID: z
    .string()
    .regex(/^s-[0-9a-f]{17}$/, 's- and 17 hexadecimal digits')
    .default('s-00000000000000000')
    .describe('Server id in events, in the format of AWS Transfer Family.'),
  LONGSHORE_SFTP_MAX_CONNECTIONS: integerVariable({ min: 1, max: 10_000 })
    .default(DEFAULT_LIMITS.maxConnections)
    .describe('Maximum number of open connections.'),
  LONGSHORE_SFTP_MAX_UNAUTHENTICATED: integerVariable({ min: 1, max: 1_000 })
    .default(DEFAULT_LIMITS.maxUnauthenticated)
    .describe('Maximum number of connections that have not logged in.'),
  LONGSHORE_SFTP_MAX_SESSIONS_PER_USER: integerVariable({ min: 1, max: 1_000 })
    .default(DEFAULT_LIMITS.maxSessionsPerUser)
    .describe('Maximum number of sessions of one user.'),
  LONGSHORE_SFTP_IDLE_TIMEOUT_MS: integerVariable({ min: 1_000, max: 86_400_000 })
    .default(DEFAULT_LIMITS.idleTimeoutMs)
    .describe('A connection without a request for this long is closed.'),
});

export type SftpGatewayConfig = z.output<typeof variables>;

export function loadSftpGatewayConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): SftpGatewayConfig {
  return loadConfig(variables, env);
}
