/**
 * Streams of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) that clients hold open.
 *
 * 1. Bounded: so many per key and process, an hour each, and nothing is kept for a client that does not read.
 * 2. A stream ends with its client, with the server, and when whoever asked may not any more: revoked, signed out, or of another role.
 * 3. Browsers come again on their own after a stream that broke.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Gauge, type Registry } from 'prom-client';
import { LongshoreError } from '#shared/errors.ts';
import type { ApiServer } from './api-server.ts';
import { callerOf } from './request-guard.ts';

export interface EventStreamsOptions {
  readonly registry: Registry;
  readonly streamsPerKey: number;
  readonly streams: number;
  /** 15 s when absent. */
  readonly heartbeatMs?: number;
  /** For a whole stream; an hour when absent. */
  readonly streamMs?: number;
}

export interface EventStream {
  /** The client has not read what was sent: it would only be kept. */
  readonly isFull: boolean;
  send(event: string, data: unknown, id?: string): void;
  /** A client that comes again says that it saw the event of this id. */
  mark(id: string): void;
  end(): void;
  /** Once, however it ends. */
  onEnd(ended: () => void): void;
}

export interface EventStreams {
  /**
   * `farewell` is the event that says that the caller may not see more.
   *
   * @throws LongshoreError `RATE_LIMITED` when too many are open.
   */
  open(request: FastifyRequest, reply: FastifyReply, options?: { readonly farewell?: string }): EventStream;
}

const HEARTBEAT_MS = 15_000;
const STREAM_MS = 3_600_000;
const RETRY_MS = 3_000;
const TRY_AGAIN_SECONDS = 10;

export function createEventStreams(app: ApiServer, options: EventStreamsOptions): EventStreams {
  const open = new Map<EventStream, string>();
  observeStreams(options.registry, () => open.size);
  app.addHook('preClose', async () => {
    for (const stream of [...open.keys()]) stream.end();
  });

  function refuseTooMany(keyId: string, reply: FastifyReply): void {
    const ofKey = [...open.values()].filter((owner) => owner === keyId).length;
    if (ofKey < options.streamsPerKey && open.size < options.streams) return;
    reply.header('retry-after', TRY_AGAIN_SECONDS);
    throw new LongshoreError('RATE_LIMITED', 'Too many streams are open; close some, or ask for what they tell.', {
      details: { retry_after_seconds: TRY_AGAIN_SECONDS },
    });
  }

  return {
    open(request, reply, { farewell } = {}) {
      const { keyId } = callerOf(request);
      refuseTooMany(keyId, reply);
      const stream = openStream(reply, {
        isStillKnown: () => app.isStillKnown(request),
        heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
        streamMs: options.streamMs ?? STREAM_MS,
        farewell,
      });
      if (!reply.raw.destroyed) open.set(stream, keyId);
      reply.raw.once('close', () => open.delete(stream));
      // Nobody reads it.
      if (request.method === 'HEAD') stream.end();
      return stream;
    },
  };
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
  readonly isStillKnown: () => Promise<boolean>;
  readonly heartbeatMs: number;
  readonly streamMs: number;
  readonly farewell: string | undefined;
}

function openStream(reply: FastifyReply, { isStillKnown, heartbeatMs, streamMs, farewell }: StreamParts): EventStream {
  const { raw } = reply;
  const endings: (() => void)[] = [];
  reply.hijack();
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'close',
    // A proxy that gathers answers would show nothing until the end.
    'x-accel-buffering': 'no',
  });
  raw.write(`retry: ${RETRY_MS}\n\n`);

  const send = (event: string, data: unknown, id?: string): void => {
    raw.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };

  /** Keeps proxies from taking the stream for dead, and sees that the caller still counts. */
  async function heartbeat(): Promise<void> {
    if (!raw.writableNeedDrain) raw.write(': alive\n\n');
    try {
      if (await isStillKnown()) return;
      if (farewell !== undefined && !raw.writableEnded) send(farewell, {});
      end();
    } catch {
      // The database is down: as for every request, what cannot be checked is not served.
      end();
    }
  }

  const timers = [setInterval(() => void heartbeat(), heartbeatMs), setTimeout(end, streamMs)];

  function release(): void {
    for (const timer of timers) clearTimeout(timer);
    for (const ended of endings.splice(0)) ended();
  }

  function end(): void {
    raw.end();
    // A client that does not read would hold it open.
    raw.socket?.setTimeout(RETRY_MS, () => raw.destroy());
    release();
  }

  raw.once('close', release);
  if (raw.destroyed) release();
  return {
    get isFull() {
      return raw.writableNeedDrain;
    },
    send,
    mark: (id) => void raw.write(`id: ${id}\n\n`),
    end,
    onEnd(ended) {
      if (raw.destroyed || raw.writableEnded) ended();
      else endings.push(ended);
    },
  };
}
