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
  LONGSHORE_PREFIX: z.string().default('longshore').describe('As for every service; needed only for a move.'),
  LONGSHORE_MOVE_FROM_PREFIX: z
    .string()
    .optional()
    .describe('After a failover: prefix of the buckets that the rows still name.'),
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
