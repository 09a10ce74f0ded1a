/** The client for few calls: the command line, tokens, key sets. It costs three times undici, which does not matter there. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import type { Got } from 'got';
import { acceptsOf, type HttpClient, type HttpClientOptions, IDLE_CONNECTION_MS, refusalOf } from './http-client.ts';
import { HttpExchange } from './http-exchange.ts';

export function createGotClient(options: HttpClientOptions): HttpClient {
  const { addressGuard, timeoutMs, maxBodyBytes, maxSockets, clientCertificate, authority } = options;
  const settings = {
    keepAlive: true,
    timeout: IDLE_CONNECTION_MS,
    ...(maxSockets !== undefined && { maxSockets }),
    ...(addressGuard !== undefined && { lookup: addressGuard.lookup }),
  };
  const tls = {
    ...(clientCertificate !== undefined && { key: clientCertificate.key, cert: clientCertificate.certificate }),
    ...(authority !== undefined && { ca: authority }),
  };
  const agents = { http: new HttpAgent(settings), https: new HttpsAgent({ ...settings, ...tls }) };
  let loading: Promise<Got> | undefined;

  /** By the first call only: most services make none. */
  async function loadClient(): Promise<Got> {
    const { default: got } = await import('got');
    return got.extend({
      agent: agents,
      decompress: false,
      followRedirect: false,
      throwHttpErrors: false,
      retry: { limit: 0 },
      https: {
        certificateAuthority: authority,
        key: clientCertificate?.key,
        certificate: clientCertificate?.certificate,
      },
    });
  }

  return {
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
    async send(request) {
      const refusal = refusalOf(request, addressGuard);
      if (refusal !== undefined) return refusal;
      loading ??= loadClient();
      const client = await loading;
      let abort = (): void => {};
      const exchange = new HttpExchange({
        timeoutMs: request.timeoutMs ?? timeoutMs,
        maxBodyBytes,
        signal: request.signal,
        abort: () => abort(),
      });
      if (exchange.isOver) return await exchange.outcome;
      try {
        const { method, url, body = '', isUnrepeatable } = request;
        const stream = client.stream(url, {
          method,
          headers: acceptsOf(request),
          ...(method !== 'GET' && { body }),
          ...(isUnrepeatable === true && { agent: { http: false, https: false } as never }),
        });
        abort = () => stream.destroy();
        stream.on('request', (sent) =>
          sent.once('socket', (socket: Socket) => {
            if (socket.connecting)
              socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => exchange.sent());
            else exchange.sent();
          }),
        );
        stream.once('response', ({ statusCode, headers }) => exchange.replied(statusCode, headers));
        stream.on('data', (chunk: Buffer) => exchange.received(chunk));
        stream.once('end', () => exchange.ended());
        stream.on('error', (error) => exchange.failed(error));
      } catch (error) {
        exchange.invalid(error);
      }
      return await exchange.outcome;
    },
  };
}
