/** The event bridge's process. */
import { loadEventBridgeConfig } from '#local/event-bridge/config.ts';
import { landingRule } from '#local/event-bridge/event-rule.ts';
import { objectSource, transferSource } from '#local/event-bridge/event-source.ts';
import { startEventBridge } from '#local/event-bridge/start-event-bridge.ts';
import { openEventJournal } from '#local/s3/event-journal.ts';
import { openTransferJournal } from '#local/sftp/transfer-journal.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { bucketName, queueName } from '#shared/runtime/config/resource-names.ts';
import { startOperationsServer } from '#shared/runtime/health/operations-server.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { stopAll, stopSignal } from '#shared/runtime/shutdown.ts';

const STOP_TIMEOUT_MS = 1_500;
/** The account in which the local queues stand. */
const ACCOUNT = '000000000000';

const config = loadEventBridgeConfig();
const logger = createLogger({ service: 'event-bridge', level: config.LOG_LEVEL });
const { LONGSHORE_S3_DIRECTORY: objectsDirectory } = config;
const objects = objectsDirectory === undefined ? undefined : openEventJournal(objectsDirectory);
const transfers = openTransferJournal(config.LONGSHORE_SFTP_DIRECTORY);
const client = createSqsClient({ region: config.AWS_REGION, requestTimeoutMs: 5_000 });
const bridge = startEventBridge({
  sources: [
    ...(objects === undefined ? [] : [objectSource(objects, { account: ACCOUNT, region: config.AWS_REGION })]),
    transferSource(transfers),
  ],
  rule: landingRule(bucketName(config.LONGSHORE_PREFIX, 'landing'), [bucketName(config.LONGSHORE_PREFIX, 'outbound')]),
  client,
  queueName: queueName(config.LONGSHORE_PREFIX, 'landing'),
  logger,
});
const status = await startOperationsServer({
  host: config.LONGSHORE_HTTP_HOST,
  port: config.LONGSHORE_HTTP_PORT,
  registry: bridge.metrics.registry,
  liveness: () => ({ ok: true, detail: 'alive' }),
  readiness: bridge.readiness,
});
logger.info({ port: status.port }, 'event bridge runs');
const signal = await stopSignal();
logger.info({ signal }, 'event bridge stops');
const isClean = await stopAll({
  parts: [
    { name: 'status server', stop: status.stop },
    { name: 'event bridge', stop: bridge.stop },
  ],
  timeoutMs: STOP_TIMEOUT_MS,
  logger,
});
objects?.close();
transfers.close();
client.destroy();
process.exit(isClean ? 0 : 1);
