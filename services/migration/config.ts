/** The variables of the migration. */
import { z } from 'zod';
import { loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

export const variables = z.object({
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).describe('URL with a user that may create roles.'),
  DATABASE_PASSWORD: z
    .string()
    .optional()
    .describe("Replaces the URL's password, for platforms that provide a secret as a separate variable."),
  LONGSHORE_OPERATOR_KEY_SECRET: z
    .string()
    .optional()
    .describe("Secret of AWS Secrets Manager for the first operator's key. Without it no key is created."),
  AWS_REGION: z.string().optional().describe('Region of that secret.'),
  LOG_LEVEL: logLevelVariable
    .default('info')
    .describe('`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.'),
});

export type MigrationConfig = z.output<typeof variables>;

/** @throws LongshoreError `CONFIG_INVALID` with every fault. */
export function loadMigrationConfig(env: Readonly<Record<string, string | undefined>> = process.env): MigrationConfig {
  return loadConfig(variables, env);
}
