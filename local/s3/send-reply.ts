/** Writes replies and S3's error documents to the wire. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { S3Reply } from '#local/s3/handler.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { buildErrorXml } from '#local/s3/xml.ts';

/** What is left of a refused body is read for at most so long; without it the client may meet a reset before the reply. */
const LEFTOVER_MS = 5_000;
/** With an error, too: without the last ones a page would not see it. */
const KEPT = /^(?:x-amz-request-id|vary|access-control-.*)$/;

export async function sendReply(message: IncomingMessage, response: ServerResponse, reply: S3Reply): Promise<void> {
  const { content } = reply;
  try {
    for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
    response.statusCode = reply.status;
    if (content === undefined || typeof content === 'string') {
      sendWhole(message, response, content ?? '');
      return;
    }
    const { body, start, end } = content;
    const whole = body.readWhole();
    if (whole !== undefined) response.end(whole.subarray(start, end));
    else await pipeline(body.read(start, end), response);
  } finally {
    if (typeof content === 'object') content.body.close();
  }
}

/** After the first bytes of a body there is nothing left to say but to cut the connection. */
export function sendError(
  message: IncomingMessage,
  response: ServerResponse,
  { error, requestId }: { error: unknown; requestId: string },
): void {
  if (response.destroyed || response.headersSent) {
    message.socket.destroy();
    return;
  }
  const known =
    error instanceof S3Error
      ? error
      : new S3Error('InternalError', 'We encountered an internal error. Please try again.');
  for (const name of response.getHeaderNames()) if (!KEPT.test(name)) response.removeHeader(name);
  for (const [name, value] of Object.entries(known.headers)) response.setHeader(name, value);
  response.setHeader('content-type', 'application/xml');
  response.statusCode = known.status;
  if (!message.complete) {
    response.setHeader('connection', 'close');
    const timer = setTimeout(() => message.socket.destroy(), LEFTOVER_MS);
    message.once('close', () => clearTimeout(timer));
    message.on('error', () => undefined);
    message.resume();
  }
  const document = buildErrorXml([
    ['Code', known.code],
    ['Message', known.message],
    ['Resource', (message.url ?? '').replace(/\?.*$/s, '')],
    ['RequestId', requestId],
  ]);
  sendWhole(message, response, document);
}

function sendWhole(message: IncomingMessage, response: ServerResponse, text: string): void {
  if (message.method === 'HEAD' || response.statusCode === 204 || response.statusCode === 304) {
    response.end();
    return;
  }
  const bytes = Buffer.from(text);
  response.setHeader('content-length', bytes.length);
  response.end(bytes);
}
