/**
 * The HTTP server with a bound on sockets that wait for a request, and on requests that wait for their answer, before anything is done for
 * them.
 *
 * 1. Node hands on every request of a socket as it arrives, whatever number of them has no answer yet (HTTP/1.1 pipelining): without a
 *    bound one peer that never reads fills the memory. One that has too many under way is cut off; no common client pipelines.
 * 2. Over all sockets the bound is one that only load reaches; beyond it the answer is a 503 that costs next to nothing.
 * 3. Sockets without a request under way are bounded for each address and over all; beyond it the one that has been idle longest is cut,
 *    so that whoever connects and asks gets an answer whatever number of sockets others hold open.
 * 4. A request arrives whole in time, or is a file: then it may take as long as it keeps coming. Node's own bound makes no difference.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { LongshoreError } from '#shared/errors.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { OwnCertificate } from './own-certificate.ts';
import { createQuietLog } from './quiet-log.ts';

const MOST_OF_A_SOCKET = 32;
const MOST_IN_ALL = 2_000;
/** A load balancer may keep hundreds for reuse. */
const MOST_IDLE_OF_ADDRESS = 1_000;
const MOST_IDLE = 4_000;
/** Until then nobody counts the socket. */
const HANDSHAKE_MS = 10_000;
/** How late a timeout of the options may come. */
const CHECK_TIMEOUTS_EVERY_MS = 2_000;

const OVERLOADED = (() => {
  const { code, message, hint } = new LongshoreError('OVERLOADED', 'Too many requests are under way.');
  return JSON.stringify({ code, message, hint });
})();

/** Those whose body may take its time. */
const files = new WeakSet<IncomingMessage>();

export function letArrive(request: IncomingMessage): void {
  files.add(request);
}

export interface BoundedServerOptions extends Omit<ServerOptions, 'requestTimeout'> {
  /** From the end of the headers to that of the body. */
  readonly arrivalMs: number;
  /** Plain HTTP when absent. */
  readonly certificate?: OwnCertificate | undefined;
}

export function createBoundedServer(handle: RequestListener, options: BoundedServerOptions, logger: Logger): Server {
  const quiet = createQuietLog((fields) => logger.warn(fields, 'connection cut: too many requests without an answer'));
  const idle = createIdleSockets({ most: MOST_IDLE, mostOfAddress: MOST_IDLE_OF_ADDRESS });
  const ofSocket = new WeakMap<Socket, number>();
  let inAll = 0;

  const { arrivalMs, certificate, ...others } = options;
  const boundArrival = (request: IncomingMessage, ms: number) => {
    const { socket } = request;
    const late = setTimeout(() => {
      if (request.complete || files.has(request)) return;
      const error = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
      server.emit('clientError', error, socket);
    }, ms);
    request.once('close', () => clearTimeout(late));
  };
  const settings = { ...others, requestTimeout: 0, connectionsCheckingInterval: CHECK_TIMEOUTS_EVERY_MS };
  const answer: RequestListener = (request, response) => {
    const { socket } = request;
    idle.remove(socket);
    // What one read brought is parsed to its end, also after the cut.
    if (socket.destroyed) return;
    const unanswered = ofSocket.get(socket) ?? 0;
    if (unanswered >= MOST_OF_A_SOCKET) {
      quiet({ ip: socket.remoteAddress });
      socket.destroy();
      return;
    }
    if (inAll >= MOST_IN_ALL) {
      response.writeHead(503, {
        'content-type': 'application/json; charset=utf-8',
        connection: 'close',
        'retry-after': '1',
      });
      response.end(OVERLOADED);
      return;
    }
    ofSocket.set(socket, unanswered + 1);
    inAll += 1;
    // Comes once for every response: when it was written, or when its socket has gone.
    response.once('close', () => {
      const left = (ofSocket.get(socket) ?? 1) - 1;
      ofSocket.set(socket, left);
      inAll -= 1;
      if (left === 0 && !socket.destroyed) idle.add(socket);
    });
    if (hasBody(request)) boundArrival(request, arrivalMs);
    handle(request, response);
  };
  const server =
    certificate === undefined
      ? createServer(settings, answer)
      : // Of another class, with all that is used of a server here and in fastify.
        (createTlsServer({ ...settings, ...certificate, handshakeTimeout: HANDSHAKE_MS }, answer) as unknown as Server);
  // Its bytes are asked for by the handler, after whatever is checked before.
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  return server.on(certificate === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    idle.add(socket);
    socket.once('close', () => idle.remove(socket));
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Each set has the one that has been idle longest first. */
function createIdleSockets({ most, mostOfAddress }: { readonly most: number; readonly mostOfAddress: number }) {
  const all = new Set<Socket>();
  const byAddress = new Map<string, Set<Socket>>();
  const addressOf = new WeakMap<Socket, string>();

  function remove(socket: Socket): void {
    if (!all.delete(socket)) return;
    const address = addressOf.get(socket) ?? '';
    const own = byAddress.get(address);
    own?.delete(socket);
    if (own?.size === 0) byAddress.delete(address);
  }

  function cutFirst(sockets: Set<Socket>): void {
    const [longest] = sockets;
    if (longest === undefined) return;
    remove(longest);
    longest.destroy();
  }

  return {
    remove,
    add(socket: Socket): void {
      // Asked once: a socket that was closed has no address any more.
      const address = addressOf.get(socket) ?? socket.remoteAddress ?? '';
      addressOf.set(socket, address);
      const own = byAddress.get(address) ?? new Set();
      byAddress.set(address, own.add(socket));
      all.add(socket);
      if (own.size > mostOfAddress) cutFirst(own);
      else if (all.size > most) cutFirst(all);
    },
  };
}
