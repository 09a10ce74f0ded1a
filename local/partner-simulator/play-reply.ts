/** Puts a reply, whole or faulty, on the wire. */
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { ApiReply } from './partner-apis.ts';
import type { SimulatedFault } from './simulated-fault.ts';

/** After this a connection that is held on purpose is cut, so that nothing is held for ever. */
const LONGEST_HOLD_MS = 120_000;
const DRIP_INTERVAL_MS = 50;
/** A gzip file may be several, one after the other: 100 times a megabyte is 100 KB on the wire. */
const BOMB_MEMBERS = 100;
const BOMB_MEMBER_BYTES = 1_000_000;
/** Over the 16 KiB of headers that Node's parser takes. */
const FLOOD_HEADERS = 200;

let bomb: Buffer | undefined;

export interface PlayReplyOptions {
  readonly response: ServerResponse;
  /** What the API would say without the fault. */
  readonly reply: ApiReply;
  readonly fault: SimulatedFault | undefined;
  readonly requestId: string;
}

export async function playReply({ response, reply, fault, requestId }: PlayReplyOptions): Promise<void> {
  const headers = { 'content-type': 'application/json', 'x-request-id': requestId };
  switch (fault?.type) {
    case 'slow':
      await waitWhileOpen(response, fault.delayMs);
      response.writeHead(reply.status, headers).end(JSON.stringify(reply.body));
      return;
    case undefined:
    case 'reject':
      response.writeHead(reply.status, headers).end(JSON.stringify(reply.body));
      return;
    case 'status': {
      const retryAfter = fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter };
      response.writeHead(fault.status, { ...headers, ...retryAfter }).end(JSON.stringify({ error: 'simulated' }));
      return;
    }
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'hang':
      await waitWhileOpen(response, LONGEST_HOLD_MS);
      response.destroy();
      return;
    case 'drip':
      response.writeHead(reply.status, headers);
      for (let sent = 0; sent * DRIP_INTERVAL_MS < LONGEST_HOLD_MS && !response.closed; sent += 1) {
        response.write(' ');
        await waitWhileOpen(response, DRIP_INTERVAL_MS);
      }
      response.end();
      return;
    case 'gzip-bomb':
      bomb ??= Buffer.concat(Array(BOMB_MEMBERS).fill(gzipSync(Buffer.alloc(BOMB_MEMBER_BYTES, ' '))));
      response.writeHead(reply.status, { ...headers, 'content-encoding': 'gzip' }).end(bomb);
      return;
    case 'redirect':
      response.writeHead(302, { ...headers, location: '/_redirected' }).end();
      return;
    case 'not-json':
      response.writeHead(reply.status, { ...headers, 'content-type': 'text/html' }).end('<html>Welcome</html>');
      return;
    case 'empty':
      response.writeHead(reply.status, headers).end();
      return;
    case 'short-body':
      response.writeHead(reply.status, { ...headers, 'content-length': '4096' });
      response.write(JSON.stringify(reply.body), () => response.destroy());
      return;
    case 'header-flood': {
      const flood = Array.from({ length: FLOOD_HEADERS }, (_, index) => [`x-flood-${index}`, 'x'.repeat(200)]);
      response.writeHead(reply.status, { ...headers, ...Object.fromEntries(flood) }).end(JSON.stringify(reply.body));
      return;
    }
  }
}

/** Ends early when the caller leaves. */
async function waitWhileOpen(response: ServerResponse, ms: number): Promise<void> {
  const left = new AbortController();
  const leave = () => left.abort();
  response.once('close', leave);
  if (response.closed) leave();
  await delay(ms, undefined, { signal: left.signal }).catch(() => {});
  response.off('close', leave);
}
