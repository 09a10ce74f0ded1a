/** Sends events as message bodies, ten to a request, a few requests side by side. */
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import pLimit from 'p-limit';
import { sendBatchRequest } from '#shared/queue/batch-request.ts';
import { toMessageBody } from '#shared/queue/define-message.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { SendEvents } from './forward-events.ts';

/** Amazon SQS's maximum for SendMessageBatch. */
const BATCH_SIZE = 10;
const MAX_REQUESTS = 4;

export interface SendToQueueOptions {
  readonly client: SQSClient;
  /** Asked before each send, so that a queue made again is found again. */
  readonly queueUrl: () => Promise<string>;
  readonly logger: Logger;
}

export function sendToQueue({ client, queueUrl, logger }: SendToQueueOptions): SendEvents {
  const limit = pLimit(MAX_REQUESTS);
  return async (events, signal) => {
    const batches = Array.from({ length: Math.ceil(events.length / BATCH_SIZE) }, (_, index) =>
      events.slice(index * BATCH_SIZE, (index + 1) * BATCH_SIZE),
    );
    const sent = await Promise.all(
      batches.map((entries) =>
        limit(() =>
          sendBatchRequest({
            entries,
            // The loop above repeats, and keeps the events on disk meanwhile.
            attempts: 1,
            request: async (batch, abortSignal) =>
              client.send(
                new SendMessageBatchCommand({
                  QueueUrl: await queueUrl(),
                  Entries: batch.map(({ id, entry }) => ({ Id: id, MessageBody: toMessageBody(entry) })),
                }),
                { abortSignal: AbortSignal.any([abortSignal, signal]) },
              ),
          }),
        ),
      ),
    );
    const outcomes = sent.flat();
    const refused = outcomes.filter((outcome) => !outcome.ok);
    if (refused[0] !== undefined) logger.warn({ count: refused.length, reason: refused[0].reason }, 'events not sent');
    return outcomes.map((outcome) => outcome.ok);
  };
}
