/** Runs the S3 server as its own process, until SIGTERM or SIGINT. */
import { loadS3Config } from '#local/s3/config.ts';
import { startS3Server } from '#local/s3/server.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { stopAll, stopSignal } from '#shared/runtime/shutdown.ts';

const STOP_TIMEOUT_MS = 15_000;

const config = loadS3Config();
const logger = createLogger({ service: 's3', level: config.LOG_LEVEL });
const stopped = stopSignal();
const server = await startS3Server({
  directory: config.LONGSHORE_S3_DIRECTORY,
  host: config.LONGSHORE_S3_HOST,
  port: config.LONGSHORE_S3_PORT,
  credentials: config.credentials,
  origins: config.LONGSHORE_S3_ORIGINS,
  syncToDisk: config.LONGSHORE_S3_SYNC_TO_DISK,
  logger,
  ...(config.replication !== undefined && { replication: config.replication }),
  ...(config.LONGSHORE_S3_REGION === undefined ? {} : { region: config.LONGSHORE_S3_REGION }),
});
for (const name of config.LONGSHORE_S3_BUCKETS) server.createBucket(name);
for (const name of config.LONGSHORE_S3_EVENT_BUCKETS) server.createBucket(name, { hasEvents: true });
logger.info({ url: server.url }, 'S3 server is ready');

const signal = await stopped;
logger.info({ signal }, 'S3 server is stopping');
const isClean = await stopAll({
  parts: [{ name: 's3', stop: () => server.stop() }],
  timeoutMs: STOP_TIMEOUT_MS,
  logger,
});
process.exit(isClean ? 0 : 1);
