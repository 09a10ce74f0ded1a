/** `GET /api/v1/files/{id}/timeline`: what happened to a file, in one order. */
import { z } from 'zod';

export const TIMELINE_KINDS = [
  'file',
  'job',
  'step',
  'attempt',
  'records',
  'transfer',
  'notice',
  'person',
  'letter',
  'other',
] as const;
export type TimelineKind = (typeof TIMELINE_KINDS)[number];

const timelineLineSchema = z
  .object({
    line_id: z.string(),
    at: z.string().describe('With microseconds, as cursors and the audit have it.'),
    ended_at: z.string().nullable().describe('Of what took time and has ended.'),
    kind: z.enum(TIMELINE_KINDS),
    type: z
      .string()
      .describe(
        'As in docs/reference/events.md; and job.created, step.started, step.attempt, records.called, transfer.started, notice.pending, notice.parked.',
      ),
    actor: z.string().nullable().describe('A service, a worker, `operator:<label>` or `tenant:<tenant>:<label>`.'),
    job_id: z.string().nullable(),
    route: z.string().nullable().describe('Of the job.'),
    branch: z.string().nullable().describe('Of a job that is a branch of a `parallel`.'),
    step: z.string().nullable(),
    generation: z.number().nullable(),
    outcome: z.string().nullable(),
    error: z.object({ code: z.string(), cause: z.string().nullable(), message: z.string().nullable() }).nullable(),
    reason: z.string().nullable().describe('What a person gave as the reason.'),
    count: z.number().describe('1, or how many calls of records are folded into this line.'),
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'TimelineLine' });
export type TimelineLine = z.infer<typeof timelineLineSchema>;

export const timelinePageSchema = z.object({
  lines: z.array(timelineLineSchema),
  next_cursor: z.string().nullable(),
});
export type TimelinePage = z.infer<typeof timelinePageSchema>;
