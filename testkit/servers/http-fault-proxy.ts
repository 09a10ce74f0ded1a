/**
 * An HTTP proxy before an S3 server that refuses a share of the requests, as Amazon S3 does when it is asked too much.
 *
 * 1. What is let through is untouched, `Host` included: signatures stay right.
 * 2. A refusal comes after the request's body was read, so no client hangs on an unread socket.
 */
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HttpFaultProxy {
  readonly url: string;
  /** Where requests go; 503 for everything before it is set. */
  setTarget(url: string): void;
  /** From 0 to 1. */
  setFaultShare(share: number): void;
  readonly passed: number;
  readonly refused: number;
  stop(): Promise<void>;
}

const SLOW_DOWN =
  '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

export async function startHttpFaultProxy(random: () => number = Math.random): Promise<HttpFaultProxy> {
  const agent = new Agent({ keepAlive: true });
  let target: URL | undefined;
  let faultShare = 0;
  let passed = 0;
  let refused = 0;

  const server = createServer((incoming, outgoing) => {
    if (target === undefined || random() < faultShare) {
      refused += 1;
      refuse(incoming, outgoing);
    } else {
      passed += 1;
      forward({ incoming, outgoing, target, agent });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setTarget: (url) => {
      target = new URL(url);
    },
    setFaultShare: (share) => {
      faultShare = share;
    },
    get passed() {
      return passed;
    },
    get refused() {
      return refused;
    },
    stop: async () => {
      server.closeAllConnections();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse): void {
  incoming.on('error', () => outgoing.destroy());
  incoming.on('end', () => {
    outgoing.writeHead(503, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(SLOW_DOWN) });
    outgoing.end(incoming.method === 'HEAD' ? undefined : SLOW_DOWN);
  });
  incoming.resume();
}

function forward(call: { incoming: IncomingMessage; outgoing: ServerResponse; target: URL; agent: Agent }): void {
  const { incoming, outgoing, target, agent } = call;
  const onwards = request({
    agent,
    host: target.hostname,
    port: target.port,
    method: incoming.method,
    path: incoming.url,
    headers: incoming.rawHeaders.filter((_, index, all) => all[index - (index % 2)]?.toLowerCase() !== 'expect'),
    setHost: false,
  });
  onwards.on('response', (reply) => {
    outgoing.writeHead(reply.statusCode ?? 502, reply.rawHeaders);
    reply.pipe(outgoing);
    reply.on('error', () => outgoing.destroy());
  });
  // The client sees a broken connection, as it would without the proxy.
  onwards.on('error', () => outgoing.destroy());
  incoming.on('error', () => onwards.destroy());
  outgoing.on('close', () => onwards.destroy());
  incoming.pipe(onwards);
}
