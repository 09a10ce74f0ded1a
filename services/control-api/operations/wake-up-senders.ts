/** What the API sends: wake-ups of jobs that a person set going again, and dead letters back to their queues as they were. */

import type { RequeuedFile } from '#shared/jobs/requeue-files.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { createWakeUpSenders as createRowSenders } from '#shared/jobs/wake-up-senders.ts';
import { QUEUE_MESSAGES } from '#shared/messages/queue-messages.ts';
import { decodeMessage, type MessageDefinition } from '#shared/queue/define-message.ts';
import { messageGroupId } from '#shared/queue/message-group.ts';
import type { QueueUrl } from '#shared/queue/queue-urls.ts';
import { createSender, type SendResult } from '#shared/queue/send-messages.ts';
import type { SQSClient } from '#shared/queue/sqs-client.ts';
import { isFifo, QUEUE_IDS, type QueueId } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface WakeUpSenders {
  /** Never rejects: a wake-up that is not sent costs time, until the sweeper sends it. */
  wakeJobs(jobs: readonly WokenJob[]): Promise<void>;
  wakeFiles(files: readonly RequeuedFile[]): Promise<void>;
  /** The result tells whether the queue took it; never rejects. */
  sendAgain(letter: ReturnedLetter): Promise<SendResult>;
}

export interface ReturnedLetter {
  readonly id: string;
  readonly queue: string;
  readonly body: string;
  /** The FIFO group it stood in; null when that is not known. */
  readonly group: string | null;
  /** The job or file it wakes, when it names one. */
  readonly subjectId: string | null;
}

/** A body as it is; the queue's schemas judge it before (`faultOfLetter`). */
const asItWas: MessageDefinition<{ readonly type: 'as-it-was'; readonly body: string }> = {
  name: 'as-it-was',
  accepts: () => false,
  decode: () => ({ ok: false, code: 'MESSAGE_INVALID', reason: 'is sent only, never received' }),
  encode: ({ body }) => body,
};

export function createWakeUpSenders(options: {
  readonly client: SQSClient;
  readonly queueUrls: Readonly<Record<QueueId, QueueUrl>>;
  readonly fairQueues: boolean;
  readonly logger: Logger;
}): WakeUpSenders {
  const { client, queueUrls } = options;
  const rows = createRowSenders(options);
  const letterSenders = new Map<string, ReturnType<typeof createSender<[typeof asItWas]>>>(
    QUEUE_IDS.map((queue) => [
      queue,
      createSender({ client, queueUrl: queueUrls[queue], fifo: isFifo(queue), messages: [asItWas] }),
    ]),
  );

  return {
    wakeJobs: async (jobs) => void (await rows.sendJobs(jobs)),
    wakeFiles: async (files) => void (await rows.sendFiles(files)),
    async sendAgain({ id, queue, body, group, subjectId }) {
      const [result] =
        (await letterSenders.get(queue)?.send([
          {
            message: { type: 'as-it-was', body },
            // Not its old deduplication id, which the queue would swallow for 5 minutes.
            ...(isFifo(queue as QueueId) && {
              groupId: group ?? messageGroupId(subjectId ?? id),
              deduplicationId: `dead-letter:${id}`,
            }),
          },
        ])) ?? [];
      return result ?? { ok: false, retryable: false, reason: `there is no queue ${queue}` };
    },
  };
}

/** Why the queue's service could not read this body; undefined when it could. */
export function faultOfLetter({ queue, body }: Pick<ReturnedLetter, 'queue' | 'body'>): string | undefined {
  if (!QUEUE_IDS.some((id) => id === queue)) return `there is no queue ${queue}`;
  const decoded = decodeMessage<unknown>(QUEUE_MESSAGES[queue as QueueId], body);
  return decoded.ok ? undefined : decoded.reason;
}
