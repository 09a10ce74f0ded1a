/**
 * The HTTP server with a bound on requests that wait for their answer, before anything is done for them.
 *
 * 1. Node hands on every request of a socket as it arrives, whatever number of them has no answer yet (HTTP/1.1 pipelining): without a
 *    bound one peer that never reads fills the memory. One that has too many under way is cut off; no common client pipelines.
 * 2. Over all sockets the bound is one that only load reaches; beyond it the answer is a 503 that costs next to nothing.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import { LongshoreError } from '#shared/errors.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { createQuietLog } from './quiet-log.ts';

const MOST_OF_A_SOCKET = 32;
const MOST_IN_ALL = 2_000;

const OVERLOADED = (() => {
  const { code, message, hint } = new LongshoreError('OVERLOADED', 'Too many requests are under way.');
  return JSON.stringify({ code, message, hint });
})();

export function createBoundedServer(handle: RequestListener, options: ServerOptions, logger: Logger): Server {
  const quiet = createQuietLog((fields) => logger.warn(fields, 'connection cut: too many requests without an answer'));
  const ofSocket = new WeakMap<Socket, number>();
  let inAll = 0;

  return createServer(options, (request, response) => {
    const { socket } = request;
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
      ofSocket.set(socket, (ofSocket.get(socket) ?? 1) - 1);
      inAll -= 1;
    });
    handle(request, response);
  });
}
