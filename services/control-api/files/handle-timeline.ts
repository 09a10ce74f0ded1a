/** `GET /api/v1/files/{id}/timeline`: what happened to a file, in one order. */
import { z } from 'zod';
import { TIMELINE_KINDS, type TimelineKind, timelinePageSchema } from '#shared/api/timeline.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { cursorField } from '../http/page-cursor.ts';
import { idParams, instantField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { serveByCost } from '../records/serve-by-cost.ts';
import { findTimeline, foldCalls } from './find-timeline.ts';

const kindsField = z
  .string()
  .max(256)
  .transform((text, context): TimelineKind[] => {
    const names = text.toLowerCase().split(',') as TimelineKind[];
    if (names.every((name) => TIMELINE_KINDS.includes(name))) return [...new Set(names)];
    context.addIssue({ code: 'custom', message: `has something that is not one of ${TIMELINE_KINDS.join(', ')}` });
    return z.NEVER;
  })
  .describe(`One or more, with commas between them: ${TIMELINE_KINDS.join(', ')}. All when absent.`);

/** Calls are folded once in so many milliseconds at most, however short it takes. */
const FOLDED_FOR_MS = 1_000;

export function handleTimeline(app: ApiServer, { sql }: Pick<ApiParts, 'sql'>): void {
  const fold = serveByCost({ read: (fileId) => foldCalls(sql, fileId), atLeastMs: FOLDED_FOR_MS });

  app.get(
    '/api/v1/files/:id/timeline',
    {
      schema: {
        summary: 'What happened to a file, in one order',
        description:
          'The audit of the file and its jobs with operator actions, its jobs, steps, attempts, calls of records, copies, and notices that are not sent yet. Calls of records are folded by minute, step and outcome; each call is in the record.',
        tags: ['files'],
        params: idParams,
        querystring: z.strictObject({
          kinds: kindsField.optional(),
          order: z.enum(['oldest', 'newest']).default('oldest').describe('Which comes first.'),
          from: instantField.optional().describe('At this instant or later, RFC 3339.'),
          cursor: cursorField.optional().describe('next_cursor of the previous page.'),
          limit: z.coerce.number().int().min(1).max(200).default(200),
        }),
        response: { 200: timelinePageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { cursor, ...options } = request.query;
      const file = { tenantId: callerOf(request).tenantId, fileId: request.params.id };
      const page = await findTimeline({ sql, foldCalls: fold }, file, { ...options, after: cursor });
      if (page === undefined) throw new LongshoreError('NOT_FOUND', 'File not found');
      return page;
    },
  );
}
