/**
 * One log line and one measurement per request, by route template.
 *
 * Neither carries the path, the query or a header: names, ids and keys that someone pasted there must reach neither.
 */
import type { FastifyInstance } from 'fastify';
import { Histogram, type Registry } from 'prom-client';
import type { Logger } from '#shared/runtime/logger.ts';
import { toErrorReply } from './error-reply.ts';
import { createQuietLog } from './quiet-log.ts';
// Says what `request.caller` is.
import type {} from './request-guard.ts';

/** Refusals that anybody can cause as fast as he can send: they must not fill the log. */
const STRANGERS_STATUSES: ReadonlySet<number> = new Set([401, 429]);

export interface ObserveRequestsOptions {
  readonly logger: Logger;
  readonly registry: Registry;
}

export function observeRequests(app: FastifyInstance, { logger, registry }: ObserveRequestsOptions): void {
  const seconds = new Histogram({
    name: 'longshore_api_request_seconds',
    help: 'Requests to the API, by route template and status.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30],
    registers: [registry],
  });

  const refuseStranger = createQuietLog((fields) => logger.info(fields, 'requests without a valid key refused'));

  app.addHook('onError', async (request, _reply, error) => {
    if (toErrorReply(error).status >= 500) logger.error({ err: error, requestId: request.id }, 'request failed');
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.is404 ? '(unknown)' : (request.routeOptions.url ?? '(unknown)');
    const method = request.is404 ? 'ANY' : request.method;
    seconds.observe({ method, route, status: reply.statusCode }, reply.elapsedTime / 1_000);
    if (request.caller === null && STRANGERS_STATUSES.has(reply.statusCode)) {
      refuseStranger({ requestId: request.id, status: reply.statusCode, ip: request.ip });
      return;
    }
    logger.info(
      {
        requestId: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime * 10) / 10,
        ip: request.ip,
        keyId: request.caller?.keyId,
        tenant: request.caller?.tenantId ?? undefined,
      },
      'request answered',
    );
  });
}
