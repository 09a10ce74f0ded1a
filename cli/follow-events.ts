/** Server-sent events of the API: a stream that broke is opened again, with the id of the last event. */
import { setTimeout } from 'node:timers/promises';
import { LongshoreError } from '#shared/errors.ts';

export interface StreamedEvent {
  readonly event: string;
  readonly data: unknown;
}

interface FollowOptions {
  readonly url: URL;
  readonly key: string;
}

const AGAIN_MS = 1_000;
/** In a row without an event; then the API counts as away. */
const MOST_FAILURES = 30;

export async function* followEvents({ url, key }: FollowOptions): AsyncGenerator<StreamedEvent> {
  let lastId: string | undefined;
  for (let failures = 0; ; failures += 1) {
    try {
      const headers = { 'x-api-key': key, accept: 'text/event-stream', ...(lastId && { 'last-event-id': lastId }) };
      const reply = await fetch(url, { headers, redirect: 'error' });
      if (!reply.ok || reply.body === null) await refuse(reply, url);
      else
        for await (const { id, ...event } of readEvents(reply.body as ReadableStream<Uint8Array>)) {
          lastId = id ?? lastId;
          failures = 0;
          if (event.event !== '') yield event;
        }
    } catch (error) {
      if (error instanceof LongshoreError || failures >= MOST_FAILURES) throw unreachable(error, url);
    }
    await setTimeout(AGAIN_MS);
  }
}

function unreachable(error: unknown, url: URL): LongshoreError {
  if (error instanceof LongshoreError) return error;
  return new LongshoreError('API_UNREACHABLE', `${url.origin} does not answer.`, { cause: error });
}

/** What comes again later is tried again. */
async function refuse(reply: Response, url: URL): Promise<void> {
  const text = await reply.text();
  if (reply.status === 429 || reply.status >= 500) return;
  throw new LongshoreError('API_UNREACHABLE', `${url.origin} answered ${reply.status}: ${text.slice(0, 300)}`);
}

async function* readEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<StreamedEvent & { readonly id: string | undefined }> {
  let text = '';
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + piece).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = block.split('\n').map((line) => /^([^:]*):? ?(.*)$/.exec(line)?.slice(1) ?? []);
      const { id, event = '', data = 'null' } = Object.fromEntries(fields) as Record<string, string | undefined>;
      if (id !== undefined || event !== '') yield { id, event, data: JSON.parse(data) };
    }
  }
}
