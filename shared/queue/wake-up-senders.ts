/**
 * Sends wake-ups of files and jobs to the queues they belong to.
 *
 * 1. A wake-up that is not sent costs time only: its row is marked as woken, and the sweeper finds it missing. Nothing rejects.
 * 2. The deduplication id is row and wake number: a FIFO queue swallows the same one for 5 minutes.
 * 3. On `work.fifo` every job is a group of its own, so that copies run side by side; the claim keeps the order of ordered routes.
 *    A caller that knows a job's line may name it, which spares claims that come before their turn.
 */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { isFifo, type QueueId } from '#shared/config/resource-names.ts';
import { LongshoreError } from '#shared/errors.ts';
import { fileArchiveDue, fileSettled, jobDue } from '#shared/messages/wake-ups.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { MessageOf } from './define-message.ts';
import { messageGroupId } from './message-group.ts';
import { createSender, type SendEntry, type Sender } from './send-messages.ts';

const WAKE_UPS = [fileSettled, jobDue, fileArchiveDue] as const;
type WakeUp = MessageOf<(typeof WAKE_UPS)[number]>;
type WorkQueue = 'partner-steps' | 'work';

export interface SettledFile {
  readonly id: string;
  readonly orderKey: string;
  readonly wake: number;
}

export interface DueJob {
  readonly id: string;
  readonly tenantId: string;
  readonly queue: WorkQueue;
  readonly wake: number;
  /** Of an ordered route: names the line that the job stands in. */
  readonly line?: string | undefined;
}

export interface DueArchive {
  readonly id: string;
  readonly tenantId: string;
  readonly queue: WorkQueue;
  readonly wake: number;
}

/** Each resolves to the number of wake-ups that their queue took. */
export interface WakeUpSenders {
  sendFiles(files: readonly SettledFile[]): Promise<number>;
  sendJobs(jobs: readonly DueJob[]): Promise<number>;
  sendArchives(files: readonly DueArchive[]): Promise<number>;
}

export interface WakeUpSendersOptions {
  readonly client: SQSClient;
  /** Of the queues that the caller sends to. */
  readonly queueUrls: Readonly<Partial<Record<QueueId, string>>>;
  /** Marks each message of a standard queue with its tenant, for SQS fair queues; not every compatible server takes that. */
  readonly fairQueues: boolean;
  readonly logger: Logger;
}

export function createWakeUpSenders({ client, queueUrls, fairQueues, logger }: WakeUpSendersOptions): WakeUpSenders {
  const senders = new Map<QueueId, Sender<WakeUp>>();
  for (const [queue, queueUrl] of Object.entries(queueUrls) as [QueueId, string][]) {
    senders.set(queue, createSender({ client, queueUrl, fifo: isFifo(queue), messages: WAKE_UPS }));
  }

  async function send(queue: QueueId, entries: readonly SendEntry<WakeUp>[]): Promise<number> {
    if (entries.length === 0) return 0;
    const sender = senders.get(queue);
    if (sender === undefined) throw new LongshoreError('INTERNAL', `No URL was given for the queue ${queue}.`);
    const refused = (await sender.send(entries)).filter((result) => !result.ok);
    if (refused.length > 0) {
      logger.warn({ queue, count: refused.length, reason: refused[0]?.reason }, 'wake-ups not sent, the sweeper will');
    }
    return entries.length - refused.length;
  }

  async function sendWork<Row extends { readonly queue: WorkQueue }>(
    rows: readonly Row[],
    toEntry: (row: Row) => SendEntry<WakeUp>,
  ): Promise<number> {
    const [short, long] = await Promise.all(
      (['partner-steps', 'work'] as const).map((queue) =>
        send(queue, rows.filter((row) => row.queue === queue).map(toEntry)),
      ),
    );
    return (short ?? 0) + (long ?? 0);
  }

  function groupOf(queue: WorkQueue, tenantId: string, line: string): string | undefined {
    if (queue === 'work') return messageGroupId(line);
    return fairQueues ? messageGroupId(tenantId) : undefined;
  }

  return {
    sendFiles: (files) =>
      send(
        'ingest',
        files.map(({ id, orderKey, wake }) => ({
          message: { type: 'file.settled', fileId: id, wake },
          groupId: messageGroupId(orderKey),
          deduplicationId: `${id}:${wake}`,
        })),
      ),
    sendJobs: (jobs) =>
      sendWork(jobs, ({ id, tenantId, queue, wake, line }) => ({
        message: { type: 'job.due', jobId: id, tenantId, wake },
        groupId: groupOf(queue, tenantId, line ?? id),
        deduplicationId: `${id}:${wake}`,
      })),
    sendArchives: (files) =>
      sendWork(files, ({ id, tenantId, queue, wake }) => ({
        message: { type: 'file.archive-due', fileId: id, tenantId, wake },
        groupId: groupOf(queue, tenantId, id),
        deduplicationId: `${id}:${wake}`,
      })),
  };
}
