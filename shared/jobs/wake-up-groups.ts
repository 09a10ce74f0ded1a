/**
 * Wake-ups as queue entries: everyone who sends one makes its group and its deduplication id here.
 *
 * 1. In `work.fifo` each job and each file is a group of its own: they run side by side, one never twice at once.
 * 2. The deduplication id is row and wake number: with the row alone FIFO would swallow the second wake-up within 5 minutes.
 */

import type { fileArchiveDue, jobDue, recordsDue } from '#shared/messages/wake-ups.ts';
import type { MessageOf } from '#shared/queue/define-message.ts';
import { messageGroupId } from '#shared/queue/message-group.ts';
import type { SendEntry } from '#shared/queue/send-messages.ts';
import { isFifo } from '#shared/runtime/config/resource-names.ts';
import { traceAttributes } from '#shared/runtime/tracing/tracing.ts';
import type { WorkQueue } from './route-files.ts';

export type WorkWakeUp = MessageOf<typeof jobDue> | MessageOf<typeof fileArchiveDue>;
export type ChunkWakeUp = MessageOf<typeof recordsDue>;

interface Woken {
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

/** Chunks stand in `partner-steps` alone. */
export function chunkDueEntry({ id, tenantId, wake, traceparent }: Woken): SendEntry<ChunkWakeUp> {
  const message = { type: 'records.due', chunkId: id, tenantId, wake } as const;
  return { message, ...sentAs('partner-steps', { id, wake, traceparent }) };
}

/** A standard queue gets no group id: servers other than Amazon's refuse it there. */
function sentAs(queue: WorkQueue, { id, wake, traceparent }: Omit<Woken, 'tenantId'>) {
  const attributes = traceAttributes(traceparent);
  return {
    ...(isFifo(queue) && { groupId: messageGroupId(id), deduplicationId: `${id}:${wake}` }),
    ...(attributes !== undefined && { attributes }),
  };
}
