/**
 * `GET /api/v1/jobs/{id}/events`: a job while it moves, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * `state` at once and whenever it changes, `progress` at most once a second while bytes move, `end` with the last state; then it closes.
 *
 * Browsers come again on their own after a stream that broke; after `end` they are asked to stay away (204).
 */
import { z } from 'zod';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import type { EventStream, EventStreams } from '../http/event-streams.ts';
import { idParams } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { findJobSummary } from './find-job.ts';
import { createJobWatch, type WatchedJob } from './watch-jobs.ts';

export interface JobEventsOptions {
  readonly sql: Sql;
  readonly reads: Reads;
  readonly logger: Logger;
}

const ENDED: readonly string[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

export function handleJobEvents(app: ApiServer, options: JobEventsOptions, streams: EventStreams): void {
  const watch = createJobWatch(options);
  app.addHook('preClose', async () => watch.close());

  app.get(
    '/api/v1/jobs/:id/events',
    {
      schema: {
        summary: 'Follow a job with server-sent events: state, progress, end',
        tags: ['jobs'],
        params: idParams,
        produces: ['text/event-stream'],
        response: { 200: z.string().describe('A stream of events.'), 204: z.null(), ...errorReplies },
      },
    },
    async (request, reply) => {
      const job = await findJobSummary(options.reads, callerOf(request).tenantId, request.params.id);
      if (job === undefined) throw new LongshoreError('NOT_FOUND', 'Job not found');
      if (request.headers['last-event-id'] === 'end' && ENDED.includes(job.state)) return reply.code(204).send(null);
      const stream = streams.open(request, reply);
      stream.onEnd(watch.watch(job.job_id, sendChangesTo(stream)));
      return reply;
    },
  );
}

/** Sends what changed since the last look. */
function sendChangesTo(stream: EventStream): (job: WatchedJob | 'gone') => void {
  let sentState = '';
  let sentProgress = '';
  return (job) => {
    if (job === 'gone') {
      stream.end();
      return;
    }
    // What could not be sent is not kept: the next look has the newer.
    if (stream.isFull) return;
    const { transfers, ...state } = job;
    const stateText = JSON.stringify(state);
    if (stateText !== sentState) stream.send('state', state);
    sentState = stateText;
    const progress = { job_id: job.job_id, transfers };
    const progressText = JSON.stringify(progress);
    if (transfers.length > 0 && progressText !== sentProgress) stream.send('progress', progress);
    sentProgress = progressText;
    if (!ENDED.includes(job.state)) return;
    stream.send('end', state, 'end');
    stream.end();
  };
}
