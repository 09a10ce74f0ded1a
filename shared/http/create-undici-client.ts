/** The client of the hot path, over undici: what a call costs next to the network is a third of what Node's own client takes. */
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { acceptsOf, type HttpClient, type HttpClientOptions, IDLE_CONNECTION_MS, refusalOf } from './http-client.ts';
import { HttpExchange } from './http-exchange.ts';
import { readHeads } from './read-heads.ts';

export function createUndiciClient(options: HttpClientOptions): HttpClient {
  const { addressGuard, timeoutMs, maxBodyBytes, maxSockets, clientCertificate, authority } = options;
  const connectSocket = buildConnector({
    allowH2: false,
    timeout: timeoutMs,
    ...(addressGuard !== undefined && { lookup: addressGuard.lookup }),
    ...(clientCertificate !== undefined && { key: clientCertificate.key, cert: clientCertificate.certificate }),
    ...(authority !== undefined && { ca: authority }),
  });
  const connect: buildConnector.connector = (to, done) =>
    connectSocket(to, (...made) => {
      // Undefined after an error, whatever the type says.
      if (made[1]) readHeads(made[1]);
      done(...made);
    });
  const agentOf = (pipelining: number): Agent =>
    new Agent({
      connect,
      // 0: a connection for each request.
      pipelining,
      connections: maxSockets ?? null,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      keepAliveMaxTimeout: IDLE_CONNECTION_MS,
      // The exchange has one bound for all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  const kept = agentOf(1);
  let single: Agent | undefined;

  return {
    close() {
      for (const agent of [kept, single]) void agent?.close().catch(() => undefined);
    },
    async send(request) {
      const refusal = refusalOf(request, addressGuard);
      if (refusal !== undefined) return refusal;
      let controller: Dispatcher.DispatchController | undefined;
      const exchange = new HttpExchange({
        timeoutMs: request.timeoutMs ?? timeoutMs,
        maxBodyBytes,
        signal: request.signal,
        abort: () => controller?.abort(new Error('The request was given up.')),
      });
      if (exchange.isOver) return await exchange.outcome;
      if (request.isUnrepeatable === true) single ??= agentOf(0);
      const agent = request.isUnrepeatable === true ? (single as Agent) : kept;
      const { url, method, body } = request;
      try {
        agent.dispatch(
          {
            origin: url.origin,
            path: `${url.pathname}${url.search}`,
            method,
            headers: acceptsOf(request),
            body: body ?? null,
          },
          {
            onRequestStart(given) {
              controller = given;
              // Given up while it waited for a connection: nothing may go out any more.
              if (exchange.isOver) given.abort(new Error('The request was given up.'));
              else exchange.sent();
            },
            onResponseStart(_controller, status, headers) {
              if (status >= 200) exchange.replied(status, headers);
            },
            onResponseData: (_controller, chunk) => void exchange.received(chunk),
            onResponseEnd: () => exchange.ended(),
            onResponseError: (_controller, error) => exchange.failed(error),
          },
        );
      } catch (error) {
        exchange.invalid(error);
      }
      return await exchange.outcome;
    },
  };
}
