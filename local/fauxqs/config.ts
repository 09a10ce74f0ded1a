/** The variables of the queue server's process. */
import { z } from 'zod';
import { integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

export const variables = z.object({
  LONGSHORE_QUEUES_DIRECTORY: z.string().describe('Directory for messages.'),
  LONGSHORE_HTTP_HOST: z.string().default('127.0.0.1').describe('Address.'),
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 }).describe('Port.'),
  AWS_ACCESS_KEY_ID: z.string().min(1).describe('Requests must be signed with this key.'),
  AWS_SECRET_ACCESS_KEY: z.string().min(1).describe('Secret of that key.'),
  AWS_REGION: z.string().default('us-east-1').describe('Region of its queues and topics.'),
  LOG_LEVEL: logLevelVariable
    .default('info')
    .describe('`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.'),
});

export type QueueServerConfig = z.output<typeof variables>;

export function loadQueueServerConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): QueueServerConfig {
  return loadConfig(variables, env);
}
