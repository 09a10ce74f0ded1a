/** The answer to bytes that are not an HTTP request: one JSON body, then the socket is closed. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { LongshoreError } from '#shared/errors.ts';
import type { ErrorBody } from './error-reply.ts';
import { NO_GUESSING } from './protect-answers.ts';

export function refuseMalformed(error: Error & { readonly code?: string }, socket: Socket): void {
  const isNoTls = /^(ERR_(SSL|TLS)_|EPROTO$)/.test(error.code ?? '');
  if (isNoTls || error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    // The other side has gone or speaks no TLS, or an answer is on its way already: another one would be read as part of it.
    socket.destroy();
    return;
  }
  const { status, body } = describe(error.code ?? '');
  const text = JSON.stringify(body);
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(text)}`,
      ...Object.entries(NO_GUESSING).map(([name, value]) => `${name}: ${value}`),
      'connection: close',
      '',
      text,
    ].join('\r\n'),
  );
}

function describe(parserCode: string): { status: number; body: ErrorBody } {
  if (parserCode === 'HPE_HEADER_OVERFLOW') return { status: 431, body: bodyOf('The headers are over 16 KiB.') };
  if (parserCode === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const { code, message, hint } = new LongshoreError('REQUEST_TIMEOUT', 'The request did not arrive whole in time.');
    return { status: 408, body: { code, message, hint } };
  }
  return { status: 400, body: bodyOf('The request is not well-formed HTTP.') };
}

function bodyOf(text: string): ErrorBody {
  const { code, message, hint } = new LongshoreError('REQUEST_INVALID', text);
  return { code, message, hint };
}
