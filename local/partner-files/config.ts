/** The variables of the partner's file servers. */
import { z } from 'zod';
import { integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

const port = integerVariable({ min: 0, max: 65_535 });

export const variables = z.object({
  LONGSHORE_HTTP_HOST: z.string().default('127.0.0.1').describe('Address of all its servers.'),
  LONGSHORE_HTTP_PORT: port.describe('Port for health checks.'),
  LONGSHORE_PARTNER_FILES_SFTP_PORT: port.describe('Port of the SFTP server.'),
  LONGSHORE_PARTNER_FILES_FTPS_PORT: port.describe('Port of the FTPS server.'),
  LONGSHORE_PARTNER_FILES_PASSIVE_PORTS: z
    .string()
    .regex(/^\d{1,5}-\d{1,5}$/, 'must be two ports, such as 8097-8098')
    .describe('Ports of the data connections of FTPS, such as `8097-8098`.'),
  LONGSHORE_PARTNER_FILES_DIRECTORY: z.string().describe('Directory with the files of the partner.'),
  LONGSHORE_PARTNER_FILES_KEYS: z.string().describe('Directory of its keys; created if it does not exist.'),
  LONGSHORE_PARTNER_FILES_SECRETS: z
    .string()
    .describe('Directory of the tenant’s secrets, where its passwords and its authority are put at the first start.'),
  LOG_LEVEL: logLevelVariable
    .default('info')
    .describe('`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.'),
});

export type PartnerFilesConfig = z.output<typeof variables>;

export function loadPartnerFilesConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): PartnerFilesConfig {
  return loadConfig(variables, env);
}
