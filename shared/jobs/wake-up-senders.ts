/**
 * Sends the wake-ups of files, jobs and chunks of records to whichever queue each belongs to: for services that wake rows of every kind.
 *
 * 1. A wake-up that is not sent costs time only: its row is marked as woken, and the sweeper finds it missing. Nothing rejects.
 */
import { LongshoreError } from '#shared/errors.ts';
import { PARTNER_STEPS_MESSAGES, WORK_MESSAGES } from '#shared/messages/queue-messages.ts';
import { type fileArchiveDue, fileSettled, type jobDue, type recordsDue } from '#shared/messages/wake-ups.ts';
import type { MessageOf } from '#shared/queue/define-message.ts';
import { messageGroupId } from '#shared/queue/message-group.ts';
import type { QueueUrl } from '#shared/queue/queue-urls.ts';
import { createSender, type SendEntry, type Sender, type SenderOptions } from '#shared/queue/send-messages.ts';
import { isFifo, type QueueId, type StepQueue, type WorkQueue } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { traceAttributes } from '#shared/runtime/tracing/tracing.ts';

const [, , pullDue, sourceDue] = WORK_MESSAGES;
const WAKE_UPS = [fileSettled, ...PARTNER_STEPS_MESSAGES, pullDue, sourceDue] as const;
type WakeUp = MessageOf<(typeof WAKE_UPS)[number]>;

interface SettledFile {
  readonly id: string;
  readonly wake: number;
  readonly traceparent?: string | undefined;
  readonly isUrgent?: boolean | undefined;
}

/** A job, or a file whose archive copy is due. */
export interface DueRow {
  readonly id: string;
  readonly tenantId: string;
  readonly queue: WorkQueue;
  readonly wake: number;
  /** Of the span that caused the wake-up, when it is traced. */
  readonly traceparent?: string | undefined;
}

interface DueChunk extends DueRow {
  readonly queue: StepQueue;
}

/** Each resolves to the number of wake-ups that their queue took. */
export interface WakeUpSenders {
  sendFiles(files: readonly SettledFile[]): Promise<number>;
  sendJobs(jobs: readonly DueRow[]): Promise<number>;
  sendArchives(files: readonly DueRow[]): Promise<number>;
  sendChunks(chunks: readonly DueChunk[]): Promise<number>;
  sendPulls(pulls: readonly Woken[]): Promise<number>;
  /** `id`: the source's name. */
  sendSources(sources: readonly Woken[]): Promise<number>;
}

export interface WakeUpSendersOptions {
  readonly client: SenderOptions<typeof WAKE_UPS>['client'];
  /** Of the queues that the caller sends to. */
  readonly queueUrls: Readonly<Partial<Record<QueueId, QueueUrl>>>;
  /** Marks each message of a standard queue with its tenant, for SQS fair queues; not every compatible server takes that. */
  readonly fairQueues: boolean;
  readonly logger: Logger;
}

export function createWakeUpSenders({ client, queueUrls, fairQueues, logger }: WakeUpSendersOptions): WakeUpSenders {
  const senders = new Map<QueueId, Sender<WakeUp>>();
  for (const [queue, queueUrl] of Object.entries(queueUrls) as [QueueId, QueueUrl][]) {
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

  function withTenant(entry: SendEntry<WakeUp>, { tenantId, queue }: Pick<DueRow, 'tenantId' | 'queue'>) {
    return isFifo(queue) || !fairQueues ? entry : { ...entry, groupId: messageGroupId(tenantId) };
  }

  async function sendEach(
    rows: readonly DueRow[],
    toEntry: (row: DueRow, queue: WorkQueue) => SendEntry<WakeUp>,
  ): Promise<number> {
    const toFairEntry = (row: DueRow) => withTenant(toEntry(row, row.queue), row);
    const byQueue = Map.groupBy(rows, ({ queue }) => queue);
    const sent = await Promise.all([...byQueue].map(([queue, of]) => send(queue, of.map(toFairEntry))));
    return sent.reduce((sum, count) => sum + count, 0);
  }

  return {
    sendFiles: (files) =>
      send(
        'ingest',
        // Each file is its own group: routed side by side, and one never twice at once. Ordered routes keep their order in the database.
        files.map(({ id, wake, traceparent, isUrgent }) => ({
          message: { type: 'file.settled', fileId: id, wake, ...(isUrgent === true && { isUrgent }) },
          groupId: messageGroupId(id),
          deduplicationId: `${id}:${wake}`,
          attributes: traceAttributes(traceparent),
        })),
      ),
    sendJobs: (jobs) => sendEach(jobs, jobDueEntry),
    sendArchives: (files) => sendEach(files, fileArchiveDueEntry),
    sendPulls: (pulls) => send('work', pulls.map(pullDueEntry)),
    sendSources: (sources) => send('work', sources.map(sourceDueEntry)),
    sendChunks: (chunks) => sendEach(chunks, chunkDueEntry),
  };
}

export type WorkWakeUp = MessageOf<typeof jobDue> | MessageOf<typeof fileArchiveDue>;
export type ChunkWakeUp = MessageOf<typeof recordsDue>;

export interface Woken {
  readonly id: string;
  readonly tenantId: string;
  readonly wake: number;
  readonly traceparent?: string | undefined;
}

export function jobDueEntry({ id, tenantId, wake, traceparent }: Woken, queue: WorkQueue): SendEntry<WorkWakeUp> {
  return { message: { type: 'job.due', jobId: id, tenantId, wake }, ...sentAs(queue, { id, wake, traceparent }) };
}

export function fileArchiveDueEntry(
  { id, tenantId, wake, traceparent }: Woken,
  queue: WorkQueue,
): SendEntry<WorkWakeUp> {
  const message = { type: 'file.archive-due', fileId: id, tenantId, wake } as const;
  return { message, ...sentAs(queue, { id, wake, traceparent }) };
}

export function chunkDueEntry({ id, tenantId, wake, traceparent }: Woken, queue: WorkQueue): SendEntry<ChunkWakeUp> {
  const message = { type: 'records.due', chunkId: id, tenantId, wake } as const;
  return { message, ...sentAs(queue, { id, wake, traceparent }) };
}

/** Each its own group: pulls and listings go side by side. */
function pullDueEntry({ id, tenantId, wake, traceparent }: Woken): SendEntry<WakeUp> {
  return { message: { type: 'pull.due', pullId: id, tenantId, wake }, ...sentAs('work', { id, wake, traceparent }) };
}

function sourceDueEntry({ id, tenantId, wake, traceparent }: Woken): SendEntry<WakeUp> {
  const message = { type: 'source.due', source: id, tenantId, wake } as const;
  return { message, ...sentAs('work', { id: `${tenantId}/${id}`, wake, traceparent }) };
}

/** A standard queue gets no group id: servers other than Amazon's refuse it there. */
function sentAs(queue: WorkQueue, { id, wake, traceparent }: Omit<Woken, 'tenantId'>) {
  const attributes = traceAttributes(traceparent);
  return {
    ...(isFifo(queue) && { groupId: messageGroupId(id), deduplicationId: `${id}:${wake}` }),
    ...(attributes !== undefined && { attributes }),
  };
}
