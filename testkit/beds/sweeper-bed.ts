/** What tests of the retry-sweeper stand on: a database, queues with DLQs and topics, an S3 server, and sweepers. */
import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { Registry } from 'prom-client';
import { loadRetrySweeperConfig } from '#services/retry-sweeper/config.ts';
import { createRetrySweeper, type ServiceDependencies } from '#services/retry-sweeper/service.ts';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { createTopics } from '#shared/queue/topics.ts';
import { isFifo, type QueueId } from '#shared/runtime/config/resource-names.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';

let beds = 0;

export type SweeperTestBed = Awaited<ReturnType<typeof startSweeperTestBed>>;

export async function startSweeperTestBed() {
  const [database, fauxqs, s3] = await Promise.all([createTestDatabase(), startFauxqs(), startTestServer()]);
  const connection = {
    DATABASE_URL: database.url,
    DATABASE_POOL_MAX: 2,
    DATABASE_PREPARE: true,
    DATABASE_STATEMENT_TIMEOUT_MS: 60_000,
  };
  const sql = connectDatabase(connection, 'sweeper-test', { keepsPlans: true });
  return {
    sql,
    /** For connections of a test's own. */
    database: connection,
    fauxqs,
    s3,
    /** The SDK reads these when a client is made. */
    env: {
      ...fauxqs.env,
      AWS_ENDPOINT_URL_S3: s3.server.url,
      AWS_ACCESS_KEY_ID: TEST_CREDENTIAL.accessKeyId,
      AWS_SECRET_ACCESS_KEY: TEST_CREDENTIAL.secretAccessKey,
    },
    /** Queues, topics and a bucket under their own prefix: a stopped poller can still swallow messages of its queue. */
    async begin() {
      beds += 1;
      const prefix = `s${beds}`;
      const bucket = `${prefix}-landing`;
      s3.server.createBucket(bucket);
      const queues = await createQueues({ client: fauxqs.sqs, prefix });
      const topics = await createTopics({ client: fauxqs.sns, prefix });
      return { prefix, bucket, queues, topics };
    },
    createSweeper(
      prefix: string,
      variables: Record<string, string> = {},
      more: Pick<ServiceDependencies, 'hangingMs'> = {},
    ): { sweeper: Service; registry: Registry } {
      const registry = new Registry();
      const config = loadRetrySweeperConfig({
        AWS_REGION: 'us-east-1',
        DATABASE_URL: database.url,
        LONGSHORE_PREFIX: prefix,
        LONGSHORE_S3_PATH_STYLE: 'true',
        LONGSHORE_DRAIN_MS: '1000',
        LONGSHORE_SWEEP_TICK_MS: '100',
        LONGSHORE_SWEEP_COUNT_MS: '200',
        LONGSHORE_SWEEP_GRACE_MS: '500',
        ...variables,
      });
      const logger = createLogger({ service: 'retry-sweeper', level: 'fatal' });
      return { sweeper: createRetrySweeper({ config, registry, logger, ...more }), registry };
    },
    async send(queueUrl: string, body: string, queue: QueueId): Promise<void> {
      const group = isFifo(queue)
        ? { MessageGroupId: body.slice(0, 20), MessageDeduplicationId: String(Math.random()) }
        : {};
      await fauxqs.sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: body, ...group }));
    },
    async bodies(queueUrl: string): Promise<Record<string, unknown>[]> {
      const { Messages = [] } = await fauxqs.sqs.send(
        new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10 }),
      );
      return Messages.map(({ Body }) => JSON.parse(Body ?? ''));
    },
    async count(queueUrl: string): Promise<number> {
      const { Attributes } = await fauxqs.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['All'] }),
      );
      return (
        Number(Attributes?.ApproximateNumberOfMessages) + Number(Attributes?.ApproximateNumberOfMessagesNotVisible)
      );
    },
    async stop(): Promise<void> {
      await sql.end({ timeout: 5 });
      await Promise.all([database.drop(), fauxqs.stop(), s3.stop()]);
    },
  };
}
