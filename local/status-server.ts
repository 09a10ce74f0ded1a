/** `/healthz`, `/readyz` and `/metrics` of a process whose own port, if it has one, speaks something else than HTTP. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Registry } from 'prom-client';

export interface StatusServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly registry: Registry;
  /** Asked at each `/readyz`; a sentence when the process cannot do its work. */
  readonly whatIsMissing: () => Promise<string | undefined>;
}

export interface StatusServer {
  readonly port: number;
  stop(): Promise<void>;
}

const READY_DEADLINE_MS = 2_000;

export async function startStatusServer({
  host,
  port,
  registry,
  whatIsMissing,
}: StatusServerOptions): Promise<StatusServer> {
  async function answer(path: string): Promise<{ status: number; body: string; type?: string }> {
    switch (path) {
      case '/healthz':
        return { status: 200, body: 'ok\n' };
      case '/readyz': {
        const missing = await within(READY_DEADLINE_MS, whatIsMissing());
        return missing === undefined ? { status: 200, body: 'ready\n' } : { status: 503, body: `${missing}\n` };
      }
      case '/metrics':
        return { status: 200, body: await registry.metrics(), type: registry.contentType };
      default:
        return { status: 404, body: 'not found\n' };
    }
  }

  const server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) => {
    answer(request.url?.split('?')[0] ?? '')
      .catch(() => ({ status: 500, body: 'failed\n', type: undefined }))
      .then(({ status, body, type }) => response.writeHead(status, { 'content-type': type ?? 'text/plain' }).end(body));
  });
  server.listen({ host, port });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening socket has an address');
  return {
    port: address.port,
    async stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function within(timeoutMs: number, answer: Promise<string | undefined>): Promise<string | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve('a dependency did not answer in time'), timeoutMs);
  try {
    return await Promise.race([answer, late]);
  } catch {
    return 'a dependency failed';
  } finally {
    clearTimeout(timer);
  }
}
