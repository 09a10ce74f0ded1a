/** The thread of `reply-reader.ts`: a reply in, what it says at the paths out. */
import { parentPort } from 'node:worker_threads';
import { readReply } from './read-reply.ts';
import { isScalar, readPath } from './value-path.ts';

export interface ReplyQuestion {
  readonly id: number;
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly paths: readonly string[];
}

export interface ReplyAnswer {
  readonly id: number;
  /** By path; a number that JavaScript does not hold is `exact`. Undefined when the body is not JSON. */
  readonly values: ReadonlyMap<string, string | number | boolean | null | { readonly exact: string }> | undefined;
}

parentPort?.on('message', ({ id, body, contentType, paths }: ReplyQuestion) => {
  const content = readReply({ body: Buffer.from(body), headers: { 'content-type': contentType } });
  const values = new Map(
    paths.flatMap((path) => {
      const value = readPath(content, path);
      if (!isScalar(value)) return [];
      return [[path, typeof value === 'object' && value !== null ? { exact: value.text } : value] as const];
    }),
  );
  parentPort?.postMessage({ id, values: content === undefined ? undefined : values } satisfies ReplyAnswer);
});
