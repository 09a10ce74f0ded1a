/** A fauxqs (SQS and SNS over real HTTP) on a free port, in this process, with clients for it. For tests. */
import { type FauxqsServer, startFauxqs as startServer } from 'fauxqs';
import type { QueueMetrics } from '#shared/queue/queue-metrics.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createSnsClient } from '#shared/queue/topics.ts';

export const FAUXQS_REGION = 'us-east-1';
/** fauxqs checks none. */
export const FAUXQS_CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };

export interface Fauxqs {
  readonly endpoint: string;
  /** What the SDK of a child process needs to find this server. */
  readonly env: Readonly<Record<string, string>>;
  readonly sqs: ReturnType<typeof createSqsClient>;
  readonly sns: ReturnType<typeof createSnsClient>;
  /** Looks into queues without receiving. */
  readonly server: FauxqsServer;
  stop(): Promise<void>;
}

export async function startFauxqs({ metrics }: { readonly metrics?: QueueMetrics } = {}): Promise<Fauxqs> {
  const server = await startServer({ port: 0, logger: false, host: '127.0.0.1', defaultRegion: FAUXQS_REGION });
  const endpoint = `http://127.0.0.1:${server.port}`;
  const options = { region: FAUXQS_REGION, endpoint, credentials: FAUXQS_CREDENTIALS };
  const sqs = createSqsClient({ ...options, ...(metrics === undefined ? {} : { metrics }) });
  const sns = createSnsClient(options);
  return {
    endpoint,
    env: {
      AWS_REGION: FAUXQS_REGION,
      AWS_ACCESS_KEY_ID: FAUXQS_CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: FAUXQS_CREDENTIALS.secretAccessKey,
      AWS_ENDPOINT_URL_SQS: endpoint,
      AWS_ENDPOINT_URL_SNS: endpoint,
    },
    sqs,
    sns,
    server,
    async stop() {
      sqs.destroy();
      sns.destroy();
      await server.stop();
    },
  };
}
