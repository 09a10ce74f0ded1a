/** The variables of the migration. */
import { z } from 'zod';
import { loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

const schema = z.object({
  /** Of a user that may make roles. */
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  /** In place of the URL's, for platforms that give a secret as a variable of its own. */
  DATABASE_PASSWORD: z.string().optional(),
  /** Name in AWS Secrets Manager under which the first operator's key is put. Without it none is made. */
  LONGSHORE_OPERATOR_KEY_SECRET: z.string().optional(),
  /** As of every service; needed for a move only. */
  LONGSHORE_PREFIX: z.string().default('longshore'),
  /** After a failover: the prefix of the buckets of which the rows still speak. */
  LONGSHORE_MOVE_FROM_PREFIX: z.string().optional(),
  /** Of that secret. */
  AWS_REGION: z.string().optional(),
  LOG_LEVEL: logLevelVariable.default('info'),
});

export type MigrationConfig = z.output<typeof schema>;

/** @throws LongshoreError `CONFIG_INVALID` with every fault. */
export function loadMigrationConfig(env: Readonly<Record<string, string | undefined>> = process.env): MigrationConfig {
  return loadConfig(schema, env);
}
