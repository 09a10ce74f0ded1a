/** A client of server-sent events, which keeps all that came. */
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';

export interface EventStream {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly request: ClientRequest;
  /** All that came so far. */
  text(): string;
  events(): { readonly event: string; readonly data: Record<string, unknown> }[];
  /** As a browser would send it when it comes again. */
  lastId(): string | undefined;
  readonly ended: Promise<void>;
}

export async function openEventStream(url: string, headers: Readonly<Record<string, string>>): Promise<EventStream> {
  const asked = request(url, { headers, agent: false });
  asked.on('error', () => undefined);
  asked.end();
  const [reply] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  reply.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const ended = new Promise<void>((resolve) => reply.once('close', resolve));
  reply.on('error', () => undefined);
  return {
    status: reply.statusCode ?? 0,
    headers: reply.headers,
    request: asked,
    text: () => text,
    events: () =>
      [...text.matchAll(/event: ([\w-]+)\ndata: (.*)\n\n/g)].map(([, event = '', data = '']) => ({
        event,
        data: JSON.parse(data),
      })),
    lastId: () => [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1],
    ended,
  };
}
