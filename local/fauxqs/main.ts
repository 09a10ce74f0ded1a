/** The queue server's process. */
import { loadQueueServerConfig } from '#local/fauxqs/config.ts';
import { startQueueServer } from '#local/fauxqs/start-queue-server.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { stopAll, stopSignal } from '#shared/runtime/shutdown.ts';

const STOP_TIMEOUT_MS = 3_000;

const config = loadQueueServerConfig();
const logger = createLogger({ service: 'queues', level: config.LOG_LEVEL });
const server = await startQueueServer({
  directory: config.LONGSHORE_QUEUES_DIRECTORY,
  host: config.LONGSHORE_HTTP_HOST,
  port: config.LONGSHORE_HTTP_PORT,
  region: config.AWS_REGION,
  credentials: { accessKeyId: config.AWS_ACCESS_KEY_ID, secretAccessKey: config.AWS_SECRET_ACCESS_KEY },
});
logger.info({ url: server.url, directory: config.LONGSHORE_QUEUES_DIRECTORY }, 'queue server listens');
const signal = await stopSignal();
logger.info({ signal }, 'queue server stops');
await stopAll({ parts: [{ name: 'queue server', stop: server.stop }], timeoutMs: STOP_TIMEOUT_MS, logger });
process.exit(0);
