/** The variables of the mail service's process. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';

export const variables = z.object({
  AWS_REGION: fleetVariables.AWS_REGION,
  LONGSHORE_PREFIX: fleetVariables.LONGSHORE_PREFIX,
  LONGSHORE_HTTP_HOST: fleetVariables.LONGSHORE_HTTP_HOST,
  LONGSHORE_HTTP_PORT: fleetVariables.LONGSHORE_HTTP_PORT,
  LOG_LEVEL: fleetVariables.LOG_LEVEL,
  AWS_ACCESS_KEY_ID: z.string().min(1).describe('Key that requests are signed with.'),
  AWS_SECRET_ACCESS_KEY: z.string().min(1).describe('Its secret.'),
  LONGSHORE_SES_DIRECTORY: z.string().describe('Directory for the mails taken, which survive a kill.'),
  LONGSHORE_SES_RATE: integerVariable({ min: 1, max: 1_000_000 })
    .default(1_000)
    .describe('Mails per second; above it requests are refused with 429.'),
  LONGSHORE_SES_PER_DAY: integerVariable({ min: 1, max: 1_000_000_000 })
    .optional()
    .describe('Mails in 24 hours; above it they are refused. Default: any number.'),
});

export type SesConfig = z.output<typeof variables>;

export function loadSesConfig(env: Readonly<Record<string, string | undefined>> = process.env): SesConfig {
  return loadConfig(variables, env);
}
