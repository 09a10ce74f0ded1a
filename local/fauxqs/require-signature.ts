/**
 * Lets in only what is signed with the server's credentials, as SQS and SNS ask for (Signature Version 4).
 *
 * 1. A web page cannot call: it has no credentials, and what names an origin or a strange host is refused before its body is read.
 * 2. The body is hashed as it comes, and compared before anything is done.
 */
import { createHash, type Hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { buildApp } from 'fauxqs';
import { S3Error } from '#local/s3/s3-error.ts';
import { createSignatureChecker } from '#local/s3/signature.ts';
import { buildQueryErrorXml } from '#local/s3/xml.ts';

type App = ReturnType<typeof buildApp>;

export interface RequireSignatureOptions {
  readonly host: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly now?: () => number;
}

const SERVICES = ['sqs', 'sns', 'sts'];
const NO_PARAMETERS = new Map<string, string>();

export function requireSignature(
  app: App,
  { host, region, credentials, now = Date.now }: RequireSignatureOptions,
): void {
  const checkSignature = createSignatureChecker({
    credentials: [{ ...credentials, name: 'queues' }],
    region,
    services: SERVICES,
    now,
  });
  const bodies = new WeakMap<object, Hash>();

  app.addHook('onRequest', async ({ method, headers }) => {
    if (method === 'POST' && (headers.origin !== undefined || !isOwnHost(headers, host))) {
      throw new S3Error('AccessDenied', 'Requests of web pages are refused');
    }
  });
  app.addHook('preParsing', (request, _reply, payload, done) => {
    const hash = createHash('sha256');
    bodies.set(request, hash);
    // Before fastify's own listener, in the same turn: no chunk is missed.
    payload.on('data', (chunk: Buffer | string) => hash.update(chunk));
    done(null, payload);
  });
  app.addHook('preValidation', async (request) => {
    if (request.method !== 'POST') return;
    const { method, headers } = request;
    const bodySha256 = (bodies.get(request) ?? createHash('sha256')).digest('hex');
    checkSignature({ method, path: '/', query: NO_PARAMETERS, message: { headers } }, bodySha256);
  });
  app.setErrorHandler((error, request, reply) => {
    if (!(error instanceof S3Error)) return reply.send(error);
    const { status, code, message } = error;
    const isJson = request.headers['content-type']?.includes('json') === true;
    if (!isJson) return reply.code(status).type('text/xml').send(buildQueryErrorXml(code, message));
    return reply
      .code(status)
      .type('application/x-amz-json-1.0')
      .send(JSON.stringify({ __type: `com.amazon.coral.service#${code}`, message }));
  });
}

/** Names but these may have been made to mean this machine by somebody else. */
function isOwnHost({ host }: IncomingHttpHeaders, listensOn: string): boolean {
  const name = host?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1') ?? '';
  return name === 'localhost' || name === listensOn || isIP(name) !== 0;
}
