/** What AWS Lambda loads: the configuration is read, and keys are kept, once per execution environment. */
import { createLogger } from '#shared/runtime/logger.ts';
import { loadAuthorizerConfig } from './config.ts';
import { createAuthorizer } from './create-authorizer.ts';

const config = loadAuthorizerConfig();

export const handler = createAuthorizer(config, {
  logger: createLogger({ service: 'authorizer', level: config.LOG_LEVEL }),
});
