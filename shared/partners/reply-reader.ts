/**
 * What a partner's replies say, at the paths that an operation asks for.
 *
 * JSON of a mebibyte can take seconds (a hundred thousand numbers, or brackets): more than SMALL_BYTES is read in a thread, which ends when
 * it had nothing to read for a while. A reply that takes more memory than the thread has cannot be read.
 */
import { Worker } from 'node:worker_threads';
import type { PartnerOperation } from '#shared/definitions/partner-schema.ts';
import type { HttpReply } from '#shared/http/http-client.ts';
import { ExactNumber } from './exact-json.ts';
import { readReply } from './read-reply.ts';
import type { ReplyAnswer, ReplyQuestion } from './reply-thread.ts';
import { readPath } from './value-path.ts';

/** What stands at a path. */
export type ReplyValues = (path: string) => unknown;

export interface ReplyReader {
  /** Undefined when the body is not JSON. */
  read(reply: HttpReply, operation: PartnerOperation): Promise<ReplyValues | undefined>;
  close(): void;
}

/** The worst of it takes less than 50 ms. */
const SMALL_BYTES = 32_768;
const IDLE_MS = 5_000;
const HEAP = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16 };

export function readHere(reply: Pick<HttpReply, 'body' | 'headers'>): ReplyValues | undefined {
  const content = readReply(reply);
  return content === undefined ? undefined : (path) => readPath(content, path);
}

export function createReplyReader(): ReplyReader {
  let thread: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let asked = 0;
  const waiting = new Map<number, (values: ReplyAnswer['values']) => void>();

  function answered({ id, values }: ReplyAnswer): void {
    waiting.get(id)?.(values);
    waiting.delete(id);
    if (waiting.size > 0) return;
    thread?.unref();
    idle = setTimeout(end, IDLE_MS).unref();
  }

  function end(): void {
    clearTimeout(idle);
    void thread?.terminate();
    thread = undefined;
    for (const resolve of waiting.values()) resolve(undefined);
    waiting.clear();
  }

  function start(): Worker {
    const started = new Worker(new URL('./reply-thread.ts', import.meta.url), { resourceLimits: HEAP });
    const lost = () => {
      if (thread === started) end();
    };
    return started.on('message', answered).on('error', lost).on('exit', lost);
  }

  function ask(question: Omit<ReplyQuestion, 'id'>): Promise<ReplyAnswer['values']> {
    clearTimeout(idle);
    thread ??= start();
    thread.ref();
    asked += 1;
    const id = asked;
    const { promise, resolve } = Promise.withResolvers<ReplyAnswer['values']>();
    waiting.set(id, resolve);
    thread.postMessage({ id, ...question } satisfies ReplyQuestion);
    return promise;
  }

  return {
    async read({ body, headers }, operation) {
      if (body.length <= SMALL_BYTES) return readHere({ body, headers });
      const contentType = headers['content-type'];
      const values = await ask({
        body,
        contentType: contentType === undefined ? undefined : String(contentType),
        paths: pathsOf(operation),
      });
      if (values === undefined) return undefined;
      return (path) => {
        const value = values.get(path);
        return typeof value === 'object' && value !== null ? new ExactNumber(value.exact) : value;
      };
    },
    close: end,
  };
}

function pathsOf({ judge, output, referenceFrom }: PartnerOperation): string[] {
  const named = judge.flatMap(({ when, codeFrom, messageFrom }) => [...Object.keys(when.body), codeFrom, messageFrom]);
  return [...named, ...Object.values(output), referenceFrom].filter((path) => path !== undefined);
}
