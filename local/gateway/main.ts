/** The gateway's process, with the authorizer function in it. */
import { loadAuthorizerConfig } from '#services/authorizer/config.ts';
import { createAuthorizer } from '#services/authorizer/create-authorizer.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { stopAll, stopSignal } from '#shared/runtime/shutdown.ts';
import { loadGatewayConfig } from './config.ts';
import { startGateway } from './start-gateway.ts';

const STOP_TIMEOUT_MS = 3_000;

const config = loadGatewayConfig();
const logger = createLogger({ service: 'gateway', level: config.LOG_LEVEL });
const gateway = await startGateway({
  host: config.LONGSHORE_HTTP_HOST,
  port: config.LONGSHORE_HTTP_PORT,
  backend: config.LONGSHORE_GATEWAY_BACKEND_URL,
  open: config.LONGSHORE_GATEWAY_OPEN,
  deadlineMs: config.LONGSHORE_GATEWAY_DEADLINE_MS,
  authorize: createAuthorizer(loadAuthorizerConfig(), { logger: logger.child({ part: 'authorizer' }) }),
  logger,
});
logger.info({ url: gateway.url }, 'gateway listens');
const signal = await stopSignal();
logger.info({ signal }, 'gateway stops');
await stopAll({ parts: [{ name: 'gateway', stop: gateway.stop }], timeoutMs: STOP_TIMEOUT_MS, logger });
process.exit(0);
