/** The variables of the queue server's process. */
import { z } from 'zod';
import { integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

const schema = z.object({
  LONGSHORE_QUEUES_DIRECTORY: z.string(),
  LONGSHORE_HTTP_HOST: z.string().default('127.0.0.1'),
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 }),
  /** Whose signatures are taken. */
  AWS_ACCESS_KEY_ID: z.string().min(1),
  AWS_SECRET_ACCESS_KEY: z.string().min(1),
  AWS_REGION: z.string().default('us-east-1'),
  LOG_LEVEL: logLevelVariable.default('info'),
});

export type QueueServerConfig = z.output<typeof schema>;

export function loadQueueServerConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): QueueServerConfig {
  return loadConfig(schema, env);
}
