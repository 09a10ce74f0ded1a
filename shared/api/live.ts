/** `GET /api/v1/live`: what its events carry. Ids and states, never content. */
import { z } from 'zod';

/** At the beginning, with the id to resume from. */
const readySchema = z.object({ at: z.string() });
/** A file, or a job of it, changed. */
const changedSchema = z.object({
  file_id: z.string(),
  status: z.string(),
  job_id: z.string().nullable(),
  at: z.string(),
});
/** More changed than is said one by one: ask for what you show. */
const manySchema = z.object({ topic: z.string() });
/** A copy under way. */
const progressSchema = z.object({
  file_id: z.string(),
  job_id: z.string().nullable(),
  purpose: z.string(),
  bytes_done: z.number(),
  bytes_total: z.number().nullable(),
  bytes_per_second: z.number(),
});
const actionSchema = z.object({
  action_id: z.string(),
  state: z.string(),
  takes: z.number(),
  done: z.number(),
  refused: z.number(),
});

export const liveEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('ready'), data: readySchema }),
  z.object({ event: z.literal('changed'), data: changedSchema }),
  z.object({ event: z.literal('many'), data: manySchema }),
  z.object({ event: z.literal('progress'), data: progressSchema }),
  z.object({ event: z.literal('action'), data: actionSchema }),
  /** What happened since the last event is not known: ask for what you show. */
  z.object({ event: z.literal('reset'), data: z.object({}) }),
  /** The key or the session counts no more; the stream ends. */
  z.object({ event: z.literal('session-ends'), data: z.object({}) }),
]);
export type LiveEvent = z.infer<typeof liveEventSchema>;
export type ChangedFile = z.infer<typeof changedSchema>;
export type LiveProgress = z.infer<typeof progressSchema>;
export type LiveAction = z.infer<typeof actionSchema>;

/** One by one in a second; more are one `many`. */
export const MOST_CHANGES = 100;
