/**
 * For tests: a proxy before an S3 server that spoils the requests that a test chooses. What is let through is untouched, `Host`
 * included: signatures stay right.
 */
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Transform } from 'node:stream';

export type S3Fault =
  /** Refused, without reaching the server. */
  | { readonly type: 'status'; readonly status: 500 | 501 | 503 }
  /** By the test in place of the server: a 200 with this XML. */
  | { readonly type: 'answered'; readonly answer: () => Promise<string> }
  /** Done by the server, and answered by 200 with an error inside. */
  | { readonly type: 'error-in-200' }
  /** Done by the server, and the connection reset in place of an answer. */
  | { readonly type: 'lost-reply' }
  /** Taken, and never answered. */
  | { readonly type: 'silent' }
  /** Reset before it reaches the server. */
  | { readonly type: 'reset' }
  /** The reply ends after so many bytes. */
  | { readonly type: 'truncated'; readonly bytes: number }
  /** One byte of the body is another. */
  | { readonly type: 'flipped-reply' }
  | { readonly type: 'flipped-request' }
  /** As of a server that keeps no checksums. */
  | { readonly type: 'no-checksums' }
  /**
   * As Cloud Storage answers by its XML API, by its documentation: bodies in signed chunks or with trailers, and checksum headers of Amazon's are
   * refused; so is the deletion of many objects in one request. Replies have neither checksums nor Amazon's version ids.
   */
  | { readonly type: 'as-google' }
  /** The reply begins and stands still. */
  | { readonly type: 'stalled' }
  /** The reply comes slowly. */
  | { readonly type: 'slow'; readonly bytesPerSecond: number }
  /** The request is taken slowly. */
  | { readonly type: 'slow-request'; readonly bytesPerSecond: number };

export interface S3Request {
  /** `GetObject`, `CopyObject`, `UploadPart`, `UploadPartCopy`, `CompleteMultipartUpload`, `AbortMultipartUpload`, `HeadObject`, `Other`. */
  readonly operation: string;
  /** Path and query. */
  readonly url: string;
  readonly partNumber: number;
  /** Of this operation, from 1. */
  readonly count: number;
}

export interface S3FaultProxy {
  readonly url: string;
  spoil(choose: (request: S3Request) => S3Fault | undefined): void;
  /** Requests that came, by operation. */
  readonly counts: ReadonlyMap<string, number>;
  /** Called when the server has answered, before the client hears of it. */
  onAnswered(listener: ((request: S3Request) => void) | undefined): void;
  stop(): Promise<void>;
}

export async function startS3FaultProxy(target: string): Promise<S3FaultProxy> {
  const agent = new Agent({ keepAlive: true });
  const counts = new Map<string, number>();
  let choose: (request: S3Request) => S3Fault | undefined = () => undefined;
  let listener: ((request: S3Request) => void) | undefined;

  const server = createServer((incoming, outgoing) => {
    // A client that goes away is the test's own doing.
    for (const side of [incoming, outgoing]) side.on('error', () => {});
    const asked = describe(incoming, counts);
    const fault = choose(asked);
    if (fault?.type === 'reset') incoming.socket.resetAndDestroy();
    else if (fault?.type === 'silent') incoming.resume();
    else if (fault?.type === 'status') refuse(incoming, outgoing, fault.status);
    else if (fault?.type === 'as-google' && !isGoogles(incoming)) refuse(incoming, outgoing, 501);
    else if (fault?.type === 'answered') answerInPlace(incoming, outgoing, fault.answer);
    else forward({ incoming, outgoing, target: new URL(target), agent, fault, onReply: () => listener?.(asked) });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    spoil(chosen) {
      choose = chosen;
      counts.clear();
    },
    onAnswered(added) {
      listener = added;
    },
    async stop() {
      server.closeAllConnections();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function describe({ method, url = '', headers }: IncomingMessage, counts: Map<string, number>): S3Request {
  const query = new URL(url, 'http://s3').searchParams;
  const operation = operationOf(method ?? '', query, 'x-amz-copy-source' in headers);
  const count = (counts.get(operation) ?? 0) + 1;
  counts.set(operation, count);
  return { operation, url, partNumber: Number(query.get('partNumber')), count };
}

function operationOf(method: string, query: URLSearchParams, isCopy: boolean): string {
  if (query.has('uploadId')) {
    if (method === 'PUT') return isCopy ? 'UploadPartCopy' : 'UploadPart';
    if (method === 'POST') return 'CompleteMultipartUpload';
    return method === 'DELETE' ? 'AbortMultipartUpload' : 'ListParts';
  }
  if (method === 'POST' && query.has('uploads')) return 'CreateMultipartUpload';
  if (method === 'HEAD') return 'HeadObject';
  if (isCopy) return 'CopyObject';
  if (method === 'GET' && query.get('x-id') === 'GetObject') return 'GetObject';
  return 'Other';
}

function isGoogles({ method, url = '', headers }: IncomingMessage): boolean {
  const query = new URL(url, 'http://s3').searchParams;
  const amazons = /^x-amz-(?:trailer|checksum-(?!mode$)|sdk-checksum-|decoded-content-length)/;
  if (method === 'POST' && query.has('delete')) return false;
  if (`${headers['x-amz-content-sha256']}`.startsWith('STREAMING-')) return false;
  return !Object.keys(headers).some((name) => amazons.test(name)) && headers['content-encoding'] !== 'aws-chunked';
}

const CODES = { 500: 'InternalError', 501: 'NotImplemented', 503: 'SlowDown' } as const;

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, status: keyof typeof CODES): void {
  const code = CODES[status];
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as the test says</Message></Error>`;
  incoming.on('end', () => {
    outgoing.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) });
    outgoing.end(incoming.method === 'HEAD' ? undefined : body);
  });
  incoming.resume();
}

function answerInPlace(incoming: IncomingMessage, outgoing: ServerResponse, answer: () => Promise<string>): void {
  incoming.on('end', async () => {
    const body = await answer();
    outgoing.writeHead(200, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) });
    outgoing.end(body);
  });
  incoming.resume();
}

interface Forwarded {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly target: URL;
  readonly agent: Agent;
  readonly fault: Exclude<S3Fault, { type: 'reset' | 'silent' | 'status' | 'answered' }> | undefined;
  readonly onReply: () => void;
}

function forward({ incoming, outgoing, target, agent, fault, onReply }: Forwarded): void {
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
    onReply();
    answer(reply, outgoing, fault);
  });
  // The client sees a broken connection, as it would without the proxy.
  onwards.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onwards.destroy());
  if (fault?.type === 'flipped-request') pipeline(incoming, flip(), onwards, () => {});
  else if (fault?.type === 'slow-request') pipeline(incoming, slow(fault.bytesPerSecond), onwards, () => {});
  else incoming.pipe(onwards);
}

function answer(reply: IncomingMessage, outgoing: ServerResponse, fault: Forwarded['fault']): void {
  reply.on('error', () => outgoing.destroy());
  if (fault?.type === 'lost-reply') {
    reply.resume().on('end', () => outgoing.socket?.resetAndDestroy());
    return;
  }
  if (fault?.type === 'error-in-200') {
    reply.resume().on('end', () => {
      outgoing.writeHead(200, { 'content-type': 'application/xml' });
      outgoing.end('<?xml version="1.0"?><Error><Code>InternalError</Code><Message>as the test says</Message></Error>');
    });
    return;
  }
  if (fault?.type === 'no-checksums' || fault?.type === 'as-google') {
    without(fault.type === 'as-google' ? AMAZONS : CHECKSUMS, reply, outgoing);
    return;
  }
  outgoing.writeHead(reply.statusCode ?? 502, reply.rawHeaders);
  if (fault?.type === 'truncated') {
    let left = fault.bytes;
    reply.on('data', (piece: Buffer) => {
      outgoing.write(piece.subarray(0, left), () => {
        if (left <= 0) outgoing.destroy();
      });
      left -= piece.length;
    });
  } else if (fault?.type === 'flipped-reply') pipeline(reply, flip(), outgoing, () => {});
  else if (fault?.type === 'stalled') reply.once('data', (piece: Buffer) => outgoing.write(piece.subarray(0, 10)));
  else if (fault?.type === 'slow') pipeline(reply, slow(fault.bytesPerSecond), outgoing, () => {});
  else reply.pipe(outgoing);
}

interface LeftOut {
  readonly headers: RegExp;
  readonly elements: RegExp;
}
const CHECKSUMS: LeftOut = { headers: /^x-amz-checksum-/, elements: /<(Checksum\w+)>.*?<\/\1>/g };
const AMAZONS: LeftOut = {
  headers: /^x-amz-(?:checksum-|version-id)/,
  elements: /<(Checksum\w+|VersionId|NextVersionIdMarker)>.*?<\/\1>/g,
};

function without({ headers: named, elements }: LeftOut, reply: IncomingMessage, outgoing: ServerResponse): void {
  const kept = Object.entries(reply.headers).filter(([name]) => !named.test(name) && name !== 'content-length');
  const isXml = reply.headers['content-type'] === 'application/xml';
  const length = reply.headers['content-length'];
  const headers = Object.fromEntries(kept) as Record<string, string | string[]>;
  outgoing.writeHead(
    reply.statusCode ?? 502,
    isXml || length === undefined ? headers : { ...headers, 'content-length': length },
  );
  if (!isXml) return void reply.pipe(outgoing);
  const pieces: Buffer[] = [];
  reply.on('data', (piece: Buffer) => pieces.push(piece));
  reply.on('end', () => outgoing.end(Buffer.concat(pieces).toString().replaceAll(elements, '')));
}

function flip(): Transform {
  let isFlipped = false;
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      if (isFlipped || piece.length === 0) return done(null, piece);
      isFlipped = true;
      const spoilt = Buffer.from(piece);
      spoilt[0] = (spoilt[0] ?? 0) ^ 1;
      done(null, spoilt);
    },
  });
}

function slow(bytesPerSecond: number): Transform {
  return new Transform({
    async transform(piece: Buffer, _encoding, done) {
      const step = Math.max(1, Math.ceil(bytesPerSecond / 20));
      for (let at = 0; at < piece.length; at += step) {
        this.push(piece.subarray(at, at + step));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      done();
    },
  });
}
