/**
 * Sends the wake-ups that a statement has decided. A failure costs time only: the rows say that they are due, and the sweeper
 * wakes them.
 */
import type { SendEntry, Sender } from '#shared/queue/send-messages.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { WokenJob, WorkQueue } from './route-files.ts';
import { fileArchiveDueEntry, jobDueEntry, type WorkWakeUp } from './wake-up-groups.ts';

export interface WakeUpOptions {
  readonly senders: Readonly<Record<WorkQueue, Sender<WorkWakeUp>>>;
  readonly onUnsent: (queue: WorkQueue, count: number) => void;
  readonly logger: Logger;
}

export interface WakeUps {
  readonly jobs: readonly WokenJob[];
  /** Files whose archive copy is long work. */
  readonly files: readonly { readonly id: string; readonly tenantId: string; readonly wake: number }[];
}

/** Never rejects. */
export async function sendWakeUps({ jobs, files }: WakeUps, options: WakeUpOptions): Promise<void> {
  const entries: Record<WorkQueue, SendEntry<WorkWakeUp>[]> = { 'partner-steps': [], work: [] };
  for (const job of jobs) entries[job.queue].push(jobDueEntry(job, job.queue));
  for (const file of files) entries.work.push(fileArchiveDueEntry(file, 'work'));
  await Promise.all([sendTo('partner-steps', entries, options), sendTo('work', entries, options)]);
}

async function sendTo(
  queue: WorkQueue,
  entries: Record<WorkQueue, SendEntry<WorkWakeUp>[]>,
  { senders, onUnsent, logger }: WakeUpOptions,
): Promise<void> {
  if (entries[queue].length === 0) return;
  const results = await senders[queue].send(entries[queue]);
  const unsent = results.filter((result) => !result.ok);
  if (unsent[0] === undefined) return;
  onUnsent(queue, unsent.length);
  logger.warn({ queue, count: unsent.length, reason: unsent[0].reason }, 'wake-ups not sent');
}
