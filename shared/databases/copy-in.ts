/**
 * `COPY ... FROM STDIN` of one text, as a statement like any other: it fails with what the server refuses, and can be cancelled.
 *
 * postgres.js 3.4 counts such a statement as done once it gave its stream: what the server says afterwards, at the end of the data or of a
 * connection, reaches nobody and the stream never ends; nor is it cancelled any more. So both are followed at the statement itself.
 */
import { once } from 'node:events';
import type { PendingQuery, Row } from 'postgres';

/** As postgres.js makes them. */
export type CancellableQuery = PromiseLike<unknown> & { cancel(): void };

/** Where postgres.js keeps how a statement ends, and whether the server has it. */
interface Inside {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  active: boolean;
}

/** `statement` has no parameters: it goes by the simple protocol. `onSent`: the server has all of the text. */
export function copyIn(statement: PendingQuery<Row[]>, text: string, onSent: () => void = () => {}): CancellableQuery {
  const inside = statement as unknown as Inside;
  const refused = Promise.withResolvers<never>();
  refused.promise.catch(() => {});
  const { resolve, reject } = inside;
  inside.resolve = (value) => {
    resolve(value);
    inside.active = true;
  };
  inside.reject = (error) => {
    reject(error);
    refused.reject(error);
  };
  async function send(): Promise<void> {
    const stream = await statement.writable();
    stream.on('error', refused.reject);
    const finished = once(stream, 'finish');
    finished.catch(() => {});
    const { _final: final } = stream;
    // Called once the text is written; it writes that this was all.
    stream._final = (done) => {
      final.call(stream, done);
      onSent();
    };
    stream.end(text);
    await Promise.race([finished, refused.promise]);
  }
  return Object.assign(send(), { cancel: () => statement.cancel() });
}
