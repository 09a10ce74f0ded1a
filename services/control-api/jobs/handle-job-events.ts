/**
 * `GET /api/v1/jobs/{id}/events`: a job while it moves, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * `state` at once and whenever it changes, `progress` at most once a second while bytes move, `end` with the last state; then it closes.
 *
 * 1. Bounded: so many streams per key and process, an hour each, and nothing is kept for a client that does not read.
 * 2. A stream ends with its client, with the server, and when what it was asked with no longer counts.
 * 3. Browsers come again by themselves after a stream that broke; after `end` they are told to stay away (204).
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Gauge, type Registry } from 'prom-client';
import { z } from 'zod';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { idParams } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { findJobSummary } from './find-job.ts';
import { createJobWatch, type JobWatch, type WatchedJob } from './watch-jobs.ts';

export interface JobEventsOptions {
  readonly sql: Sql;
  readonly reads: Reads;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly streamsPerKey: number;
  readonly streams: number;
  readonly heartbeatMs?: number;
  readonly streamMs?: number;
}

const HEARTBEAT_MS = 15_000;
const STREAM_MS = 3_600_000;
const RETRY_MS = 3_000;
const TRY_AGAIN_SECONDS = 10;
const ENDED: readonly string[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

export function handleJobEvents(app: ApiServer, options: JobEventsOptions): void {
  const watch = createJobWatch(options);
  const open = new Set<JobStream>();
  observeStreams(options.registry, () => open.size);
  app.addHook('preClose', async () => {
    for (const stream of [...open]) stream.end();
    watch.close();
  });

  function refuseTooMany(keyId: string, reply: FastifyReply): void {
    const ofKey = [...open].filter((stream) => stream.keyId === keyId).length;
    if (ofKey < options.streamsPerKey && open.size < options.streams) return;
    reply.header('retry-after', TRY_AGAIN_SECONDS);
    throw new LongshoreError('RATE_LIMITED', 'Too many streams are open; close some, or ask for the job itself.', {
      details: { retry_after_seconds: TRY_AGAIN_SECONDS },
    });
  }

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
      const { keyId, tenantId } = callerOf(request);
      const job = await findJobSummary(options.reads, tenantId, request.params.id);
      if (job === undefined) throw new LongshoreError('NOT_FOUND', 'Job not found');
      if (request.headers['last-event-id'] === 'end' && ENDED.includes(job.state)) return reply.code(204).send(null);
      refuseTooMany(keyId, reply);
      const stream = new JobStream({ request, reply, keyId, jobId: job.job_id, watch, options });
      if (reply.raw.destroyed) return reply;
      open.add(stream);
      reply.raw.once('close', () => open.delete(stream));
      return reply;
    },
  );
}

export function observeStreams(registry: Registry, count: () => number): void {
  new Gauge({
    name: 'longshore_api_streams',
    help: 'Streams of events that clients hold open.',
    registers: [registry],
    collect() {
      this.set(count());
    },
  });
}

interface StreamParts {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly keyId: string;
  readonly jobId: string;
  readonly watch: JobWatch;
  readonly options: JobEventsOptions;
}

class JobStream {
  readonly keyId: string;
  readonly #parts: StreamParts;
  readonly #unwatch: () => void;
  readonly #timers: readonly NodeJS.Timeout[];
  #state = '';
  #progress = '';

  constructor(parts: StreamParts) {
    this.keyId = parts.keyId;
    this.#parts = parts;
    const { reply, watch, jobId, options } = parts;
    reply.hijack();
    reply.raw.once('close', () => this.#release());
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      connection: 'close',
      // A proxy that gathers answers would show nothing until the end.
      'x-accel-buffering': 'no',
    });
    reply.raw.write(`retry: ${RETRY_MS}\n\n`);
    this.#timers = [
      setInterval(() => void this.#heartbeat(), options.heartbeatMs ?? HEARTBEAT_MS),
      setTimeout(() => this.end(), options.streamMs ?? STREAM_MS),
    ];
    this.#unwatch = watch.watch(jobId, (job) => this.#tell(job));
    if (reply.raw.destroyed) this.#release();
  }

  end(): void {
    this.#parts.reply.raw.end();
    // A client that does not read would hold it open.
    this.#parts.reply.raw.socket?.setTimeout(RETRY_MS, () => this.#parts.reply.raw.destroy());
    this.#release();
  }

  #release(): void {
    this.#unwatch();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #tell(job: WatchedJob | 'gone'): void {
    if (job === 'gone') {
      this.end();
      return;
    }
    // What could not be sent is not kept: the next look has the newer.
    if (this.#parts.reply.raw.writableNeedDrain) return;
    const { transfers, ...state } = job;
    const stateText = JSON.stringify(state);
    if (stateText !== this.#state) this.#send('state', stateText);
    this.#state = stateText;
    const progressText = JSON.stringify({ job_id: job.job_id, transfers });
    if (transfers.length > 0 && progressText !== this.#progress) this.#send('progress', progressText);
    this.#progress = progressText;
    if (!ENDED.includes(job.state)) return;
    this.#send('end', stateText, 'end');
    this.end();
  }

  #send(event: string, data: string, id?: string): void {
    this.#parts.reply.raw.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`);
  }

  /** Keeps proxies from taking the stream for dead, and sees that the key, token or session still counts. */
  async #heartbeat(): Promise<void> {
    const { request, reply } = this.#parts;
    if (!reply.raw.writableNeedDrain) reply.raw.write(': alive\n\n');
    try {
      if (!(await request.server.isStillKnown(request))) this.end();
    } catch {
      // The database is away: as for every request, what cannot be checked is not served.
      this.end();
    }
  }
}
