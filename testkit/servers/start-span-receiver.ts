/** An OTLP receiver over HTTP that keeps the spans that it got, and answers as a test says. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { decodeSpans, type ReceivedSpan } from './decode-spans.ts';

export interface SpanReceiver {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** Headers of each request. */
  readonly requests: Readonly<Record<string, string | string[] | undefined>>[];
  /** `hang` never answers. */
  answer: 'take' | 'hang' | 'refuse';
  stop(): Promise<void>;
}

export async function startSpanReceiver(): Promise<SpanReceiver> {
  const server = createServer(async (request, reply) => {
    const body = await buffer(request);
    receiver.requests.push({ ...request.headers, path: request.url });
    if (receiver.answer === 'hang') return;
    if (receiver.answer === 'refuse') {
      reply.writeHead(400).end();
      return;
    }
    receiver.spans.push(...decodeSpans(body));
    reply.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const receiver: SpanReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    requests: [],
    answer: 'take',
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return receiver;
}
