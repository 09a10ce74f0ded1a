/** The program of `reply-reader.ts`: a reply in, what it says at the paths out. */
import { answerQuestions } from '#shared/confined/answer-questions.ts';
import { readReply } from './read-reply.ts';
import { isScalar, readPath } from './value-path.ts';

export interface ReplyQuestion {
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly paths: readonly string[];
}

/** By path; a number that JavaScript does not hold is `exact`. Undefined when the body is not JSON. */
export type ReplyAnswer =
  | ReadonlyMap<string, string | number | boolean | null | { readonly exact: string }>
  | undefined;

answerQuestions(({ body, contentType, paths }: ReplyQuestion): ReplyAnswer => {
  const content = readReply({ body: Buffer.from(body), headers: { 'content-type': contentType } });
  if (content === undefined) return undefined;
  return new Map(
    paths.flatMap((path) => {
      const value = readPath(content, path);
      if (!isScalar(value)) return [];
      return [[path, typeof value === 'object' && value !== null ? { exact: value.text } : value] as const];
    }),
  );
});
