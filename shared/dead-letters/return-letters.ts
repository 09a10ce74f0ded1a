/** Sends parked letters back to the queues that gave them up, as they were or with a corrected body. */
import { QUEUE_MESSAGES } from '#shared/messages/queue-messages.ts';
import { decodeMessage } from '#shared/queue/define-message.ts';
import { messageGroupId } from '#shared/queue/message-group.ts';
import type { QueueUrl } from '#shared/queue/queue-urls.ts';
import { createSender, type Sender, type SendResult } from '#shared/queue/send-messages.ts';
import type { SQSClient } from '#shared/queue/sqs-client.ts';
import { isFifo, QUEUE_IDS, type QueueId } from '#shared/runtime/config/resource-names.ts';

export interface ReturnedLetter {
  readonly id: string;
  readonly queue: string;
  readonly body: string;
  /** The FIFO group it stood in; null when that is not known. */
  readonly group: string | null;
  /** The job or file it wakes, when it names one. */
  readonly subjectId: string | null;
}

/** The results say, in the order of the letters, whether the queue took each; it never rejects. */
export type SendLetters = (letters: readonly ReturnedLetter[]) => Promise<SendResult[]>;

export function createSendLetters({
  client,
  queueUrls,
}: {
  readonly client: SQSClient;
  readonly queueUrls: Readonly<Record<QueueId, QueueUrl>>;
}): SendLetters {
  const senders = new Map<string, Sender<string>>(
    QUEUE_IDS.map((queue) => [
      queue,
      createSender({ client, queueUrl: queueUrls[queue], fifo: isFifo(queue), messages: 'raw' }),
    ]),
  );
  return async (letters) => {
    const results = new Map<string, SendResult>();
    await Promise.all(
      [...Map.groupBy(letters, ({ queue }) => queue)].map(async ([queue, ofQueue]) => {
        const sent = await senders.get(queue)?.send(ofQueue.map(toEntry));
        for (const [index, { id }] of ofQueue.entries())
          results.set(id, sent?.[index] ?? { ok: false, retryable: false, reason: `there is no queue ${queue}` });
      }),
    );
    return letters.map(({ id }) => results.get(id) as SendResult);
  };
}

function toEntry({ id, queue, body, group, subjectId }: ReturnedLetter) {
  return {
    message: body,
    // Not its old deduplication id, which the queue would swallow for 5 minutes.
    ...(isFifo(queue as QueueId) && {
      groupId: group ?? messageGroupId(subjectId ?? id),
      deduplicationId: `dead-letter:${id}`,
    }),
  };
}

/** Why the queue's service could not read this body; undefined when it could. */
export function faultOfLetter({ queue, body }: Pick<ReturnedLetter, 'queue' | 'body'>): string | undefined {
  if (!QUEUE_IDS.some((id) => id === queue)) return `there is no queue ${queue}`;
  const decoded = decodeMessage<unknown>(QUEUE_MESSAGES[queue as QueueId], body);
  return decoded.ok ? undefined : decoded.reason;
}
