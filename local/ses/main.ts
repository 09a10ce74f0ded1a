/** The mail service's process. */
import { join } from 'node:path';
import { sendToQueue } from '#local/event-bridge/send-to-queue.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { queueName } from '#shared/runtime/config/resource-names.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { stopAll, stopSignal } from '#shared/runtime/shutdown.ts';
import { loadSesConfig } from './config.ts';
import { eventsOf } from './mail-events.ts';
import { openMailLedger } from './mail-ledger.ts';
import { createEventSender } from './send-events.ts';
import { startSes } from './start-ses.ts';

const STOP_TIMEOUT_MS = 3_000;
const RECENT_MS = 600_000;

const config = loadSesConfig();
const logger = createLogger({ service: 'ses', level: config.LOG_LEVEL });
const ledger = openMailLedger(join(config.LONGSHORE_SES_DIRECTORY, 'mails.ndjson'));
const client = createSqsClient({ region: config.AWS_REGION, requestTimeoutMs: 5_000 });
const name = queueName(config.LONGSHORE_PREFIX, 'mail-events');
const queueUrl = async () => (await resolveQueueUrls({ client, names: [name] }))[name] ?? '';
const events = createEventSender({ send: sendToQueue({ client, queueUrl, logger }), logger });
const ses = await startSes({
  host: config.LONGSHORE_HTTP_HOST,
  port: config.LONGSHORE_HTTP_PORT,
  region: config.AWS_REGION,
  credentials: { accessKeyId: config.AWS_ACCESS_KEY_ID, secretAccessKey: config.AWS_SECRET_ACCESS_KEY },
  ledger,
  ratePerSecond: config.LONGSHORE_SES_RATE,
  perDay: config.LONGSHORE_SES_PER_DAY,
  publish: events.add,
});
// What a kill took is sent again; whoever stores it knows what it has.
const recentMs = Date.now() - RECENT_MS;
for (const mail of ledger.mails) if (Date.parse(mail.at) > recentMs) events.add(eventsOf(mail, config.AWS_REGION));
logger.info({ url: ses.url }, 'mail service listens');
const signal = await stopSignal();
logger.info({ signal }, 'mail service stops');
await stopAll({
  parts: [
    { name: 'mail service', stop: ses.stop },
    { name: 'events', stop: events.stop },
  ],
  timeoutMs: STOP_TIMEOUT_MS,
  logger,
});
ledger.close();
client.destroy();
process.exit(0);
