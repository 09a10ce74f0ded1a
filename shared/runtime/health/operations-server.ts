/**
 * The port for operators of every service: `/healthz` (is it alive), `/readyz` (can it work), `/metrics` (Prometheus).
 *
 * 1. Every request is answered within a bound, whatever the service does.
 * 2. Answers hold no secret and nothing of partners: a state and a short sentence.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { LongshoreError } from '#shared/errors.ts';
import { within } from '#shared/runtime/within.ts';

export interface Health {
  readonly ok: boolean;
  /** One short sentence. */
  readonly detail: string;
}

export interface OperationsServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly registry: Registry;
  readonly liveness: () => Health;
  readonly readiness: () => Health | Promise<Health>;
}

export interface OperationsServer {
  readonly port: number;
  stop(): Promise<void>;
}

const READINESS_DEADLINE_MS = 2_000;
const METRICS_DEADLINE_MS = 5_000;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
}

/** @throws LongshoreError `CONFIG_INVALID` when the address cannot be listened on. */
export async function startOperationsServer(options: OperationsServerOptions): Promise<OperationsServer> {
  const { host, port, registry, liveness, readiness } = options;

  async function answer(path: string): Promise<Answer> {
    if (path === '/healthz') return describeHealth(liveness());
    if (path === '/readyz') {
      const late: Health = { ok: false, detail: 'a dependency does not answer' };
      const failed: Health = { ok: false, detail: 'a dependency failed' };
      const asked = (async () => readiness())().catch(() => failed);
      return describeHealth(await within(asked, READINESS_DEADLINE_MS, () => late));
    }
    if (path === '/metrics') {
      const text = await within(registry.metrics(), METRICS_DEADLINE_MS, () => undefined);
      if (text === undefined) return describeHealth({ ok: false, detail: 'metrics could not be collected in time' });
      return { status: 200, body: text, contentType: registry.contentType };
    }
    return { status: 404, body: 'not found\n', contentType: 'text/plain' };
  }

  const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, (request, response) => {
    const path = request.url?.split('?')[0] ?? '/';
    answer(path).then(
      (given) => send(response, given),
      () => send(response, { status: 500, body: 'failed\n', contentType: 'text/plain' }),
    );
  });
  server.listen({ host, port });
  await once(server, 'listening').catch((cause: unknown) => {
    throw new LongshoreError('CONFIG_INVALID', `Cannot listen on ${host}:${port} for health and metrics.`, { cause });
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening socket has an address');
  return {
    port: address.port,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function describeHealth({ ok, detail }: Health): Answer {
  return { status: ok ? 200 : 503, body: `${detail}\n`, contentType: 'text/plain' };
}

function send(response: ServerResponse, { status, body, contentType }: Answer): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body);
}
