/** A receiver of webhooks that keeps what it got and answers as a test says. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** `hang` never answers. */
export type ReceiverAnswer =
  | 'hang'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

export interface Receiver {
  readonly url: string;
  readonly received: ReceivedRequest[];
  /** Asked for each request, after it was kept; 200 and `ok`, as Slack answers, by default. */
  answer: (request: ReceivedRequest) => ReceiverAnswer;
  stop(): Promise<void>;
}

/** What a receiver says is shown to nobody. */
const REFUSAL = '{"secret":"of the receiver"}';

export async function startReceiver(): Promise<Receiver> {
  const received: ReceivedRequest[] = [];
  const server = createServer(async (request, reply) => {
    const kept = { path: request.url ?? '', headers: request.headers, body: await text(request).catch(() => '') };
    received.push(kept);
    const answer = receiver.answer(kept);
    if (answer !== 'hang') reply.writeHead(answer.status, answer.headers).end(answer.body ?? REFUSAL);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answer: () => ({ status: 200, body: 'ok' }),
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return receiver;
}
