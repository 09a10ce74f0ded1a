/**
 * The messages between services. Each says only "look at this row"; what is to be done is in the row.
 *
 * `wake` makes the deduplication id: a FIFO queue swallows the second message with the same id for 5 minutes.
 */
import { z } from 'zod';
import { defineMessage } from '#shared/queue/define-message.ts';

const wake = z.number().int().positive();

/** On `ingest.fifo`: a settled file waits for its routes. */
export const fileSettled = defineMessage({
  name: 'file.settled',
  version: 1,
  /** `isUrgent`: its tenant has a route of the lane platinum. */
  schema: z.object({ fileId: z.uuid(), wake, isUrgent: z.literal(true).optional() }),
});

/** On `partner-steps` and `work.fifo`: a job has something to do. */
export const jobDue = defineMessage({
  name: 'job.due',
  version: 1,
  schema: z.object({ jobId: z.uuid(), tenantId: z.string().min(1).max(128), wake }),
});

/** On `partner-steps`: a chunk of a job's records has something to do. */
export const recordsDue = defineMessage({
  name: 'records.due',
  version: 1,
  schema: z.object({ chunkId: z.uuid(), tenantId: z.string().min(1).max(128), wake }),
});

/** On `partner-steps` and `work.fifo`: all jobs of a file ended, and its object is still in landing. */
export const fileArchiveDue = defineMessage({
  name: 'file.archive-due',
  version: 1,
  schema: z.object({ fileId: z.uuid(), tenantId: z.string().min(1).max(128), wake }),
});

/** On `work.fifo`: a file of a remote is to be fetched, or cleaned up there. */
export const pullDue = defineMessage({
  name: 'pull.due',
  version: 1,
  schema: z.object({ pullId: z.uuid(), tenantId: z.string().min(1).max(128), wake }),
});

/** On `work.fifo`: a source is to be listed. */
export const sourceDue = defineMessage({
  name: 'source.due',
  version: 1,
  schema: z.object({ source: z.string().min(1).max(128), tenantId: z.string().min(1).max(128), wake }),
});
