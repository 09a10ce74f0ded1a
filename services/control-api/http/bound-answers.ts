/**
 * A deadline for every answer, and a signal for handlers that can stop early.
 *
 * Routes that take files have no deadline: theirs is on standing still (`uploads/request-body.ts`).
 *
 * Fastify's own `handlerTimeout` and `request.signal` end with the request stream: as soon as a body is read, the timer is cleared
 * and the signal fires, so that requests with a body would have no deadline (fastify 5.12, `lib/route.js`).
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LongshoreError } from '#shared/errors.ts';
import { letArrive } from './bound-sockets.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body is a file: streamed, with a deadline on standing still only. */
    takesFile?: boolean;
  }
  interface FastifyRequest {
    /** Fires when the answer is late, or when nobody waits for it any more. */
    readonly ended: AbortSignal;
  }
}

export function boundAnswers(app: FastifyInstance, deadlineMs: number): void {
  // Most handlers never look at it, and a signal costs as much as the rest of this hook.
  const controllers = new WeakMap<FastifyRequest, AbortController>();
  const over = new WeakSet<FastifyRequest>();
  app.decorateRequest('ended', {
    getter() {
      if (over.has(this)) return AbortSignal.abort();
      const controller = controllers.get(this) ?? new AbortController();
      controllers.set(this, controller);
      return controller.signal;
    },
  });
  app.addHook('onRequest', (request, reply, done) => {
    const end = () => {
      over.add(request);
      controllers.get(request)?.abort();
    };
    if (request.routeOptions.config.takesFile === true) {
      letArrive(request.raw);
      reply.raw.once('close', end);
      done();
      return;
    }
    const timer = setTimeout(() => {
      end();
      // The handler may still be at it; what it gives later is dropped.
      if (!reply.sent) reply.send(new LongshoreError('REQUEST_TIMEOUT', 'The request could not be answered in time.'));
    }, deadlineMs);
    reply.raw.once('close', () => {
      clearTimeout(timer);
      end();
    });
    done();
  });
  // Clients that wait to be asked for a body are asked here: after the guard.
  app.addHook('preParsing', (request, reply, payload, done) => {
    const isFile = request.routeOptions.config.takesFile === true;
    if (!isFile && request.headers.expect !== undefined) reply.raw.writeContinue();
    done(null, payload);
  });
}
