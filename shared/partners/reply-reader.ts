/**
 * What a partner's replies say, at the paths that an operation asks for.
 *
 * JSON of a mebibyte can take seconds (a hundred thousand numbers, or brackets): more than SMALL_BYTES is read in a child process. A reply
 * that takes more time or memory than a child has cannot be read.
 */
import type { ConfinedAnswer } from '#shared/confined/confined-child.ts';
import { createConfinedProgram } from '#shared/confined/confined-program.ts';
import type { PartnerOperation } from '#shared/definitions/partner-schema.ts';
import type { HttpReply } from '#shared/http/http-client.ts';
import { ExactNumber } from './exact-json.ts';
import { readReply } from './read-reply.ts';
import type { ReplyAnswer, ReplyQuestion } from './reply-program.ts';
import { readPath } from './value-path.ts';

/** What is at a path. */
export type ReplyValues = (path: string) => unknown;

/** The worst of it takes less than 50 ms. */
const SMALL_BYTES = 32_768;

/** For all partners of the process. */
const PROGRAM = createConfinedProgram<ReplyQuestion, ReplyAnswer>({
  program: new URL('./reply-program.ts', import.meta.url),
  heapMb: 256,
  cpuMs: 20_000,
});

export function readHere(reply: Pick<HttpReply, 'body' | 'headers'>): ReplyValues | undefined {
  const content = readReply(reply);
  return content === undefined ? undefined : (path) => readPath(content, path);
}

/** Undefined when the body is not JSON. */
export async function readReplyValues(
  { body, headers }: Pick<HttpReply, 'body' | 'headers'>,
  operation: PartnerOperation,
  customer: string,
): Promise<ReplyValues | undefined> {
  if (body.length <= SMALL_BYTES) return readHere({ body, headers });
  const contentType = headers['content-type'];
  const question = {
    body,
    contentType: contentType === undefined ? undefined : String(contentType),
    paths: pathsOf(operation),
  };
  let read: ConfinedAnswer<ReplyAnswer>;
  try {
    read = await PROGRAM.ask(question, { customer });
  } catch {
    // No child can be started. The partner has done what it was asked for: its reply is read anyway.
    return readHere({ body, headers });
  }
  const values = read.type === 'answered' ? read.answer : undefined;
  if (values === undefined) return undefined;
  return (path) => {
    const value = values.get(path);
    return typeof value === 'object' && value !== null ? new ExactNumber(value.exact) : value;
  };
}

function pathsOf({ judge, output, referenceFrom }: PartnerOperation): string[] {
  const named = judge.flatMap(({ when, codeFrom, messageFrom }) => [...Object.keys(when.body), codeFrom, messageFrom]);
  return [...named, ...Object.values(output), referenceFrom].filter((path) => path !== undefined);
}
