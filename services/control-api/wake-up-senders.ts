/**
 * Sends wake-ups for what an operator set going again, and dead letters back to their queues as they were.
 *
 * 1. A wake-up that cannot be sent costs time only: its row is due, and the sweeper wakes it.
 */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { isFifo, QUEUE_IDS, type QueueId } from '#shared/config/resource-names.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { fileArchiveDue, fileSettled, jobDue } from '#shared/messages/wake-ups.ts';
import { decodeMessage, type MessageDefinition } from '#shared/queue/define-message.ts';
import { messageGroupId } from '#shared/queue/message-group.ts';
import { createSender, type SendResult } from '#shared/queue/send-messages.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface WakeUpSenders {
  wakeJobs(jobs: readonly WokenJob[]): Promise<void>;
  /** The body as it was given up; the result tells whether the queue took it. */
  sendAgain(letter: ReturnedLetter): Promise<SendResult>;
}

export interface ReturnedLetter {
  readonly id: string;
  readonly queue: QueueId;
  readonly body: string;
  /** The order it belongs to; letters without one stand in a line of their own. */
  readonly group: string | null;
}

/** Bodies as they are; the schemas judge them before (`faultOfLetter`). */
const asItWas: MessageDefinition<{ readonly type: 'as-it-was'; readonly body: string }> = {
  name: 'as-it-was',
  accepts: () => true,
  decode: () => ({ ok: false, code: 'MESSAGE_INVALID', reason: 'only sent, never received' }),
  encode: ({ body }) => body,
};

export function createWakeUpSenders(options: {
  readonly client: SQSClient;
  readonly queueUrls: Readonly<Record<QueueId, string>>;
  readonly logger: Logger;
}): WakeUpSenders {
  const { client, queueUrls, logger } = options;
  const senders = new Map(
    QUEUE_IDS.map((queue) => [
      queue,
      createSender({ client, queueUrl: queueUrls[queue], fifo: isFifo(queue), messages: [jobDue, asItWas] }),
    ]),
  );

  return {
    async wakeJobs(jobs) {
      for (const { id, tenantId, fileId, queue, wake } of jobs) {
        const entry = {
          message: { type: 'job.due' as const, jobId: id, tenantId, wake },
          ...inLine(queue, messageGroupId(fileId), `${id}:${wake}`),
        };
        const [result] = (await senders.get(queue)?.send([entry])) ?? [];
        if (result?.ok !== true)
          logger.warn({ jobId: id, tenant: tenantId, reason: result?.reason }, 'wake-up not sent, the sweeper will');
      }
    },
    async sendAgain({ id, queue, body, group }) {
      const entry = {
        message: { type: 'as-it-was' as const, body },
        // Not its old deduplication id: within 5 minutes the queue would swallow it.
        ...inLine(queue, group ?? messageGroupId(id), `dead-letter:${id}`),
      };
      const [result] = (await senders.get(queue)?.send([entry])) ?? [];
      return result ?? { ok: false, retryable: false, reason: `${queue} is not a queue` };
    },
  };
}

function inLine(queue: QueueId, groupId: string, deduplicationId: string) {
  return isFifo(queue) ? { groupId, deduplicationId } : {};
}

const DEFINITIONS: Partial<Record<QueueId, readonly MessageDefinition[]>> = {
  ingest: [fileSettled],
  work: [jobDue, fileArchiveDue],
  'partner-steps': [jobDue, fileArchiveDue],
};

/** Why the queue's service could not read this body; undefined when it could. */
export function faultOfLetter(queue: string, body: string): string | undefined {
  if (!QUEUE_IDS.some((id) => id === queue)) return `there is no queue ${queue}`;
  const definitions = DEFINITIONS[queue as QueueId];
  if (definitions === undefined) return faultOfEvent(body);
  const decoded = decodeMessage(definitions, body);
  return decoded.ok ? undefined : decoded.reason;
}

/** `landing` takes events that others define: any JSON object that says where it comes from. */
function faultOfEvent(body: string): string | undefined {
  try {
    const event: unknown = JSON.parse(body);
    if (typeof event === 'object' && event !== null && 'source' in event && 'detail' in event) return undefined;
  } catch {
    return 'the body is not JSON';
  }
  return 'the body is no event';
}
