/**
 * Finds copies in parts that stand still. A worker gives a stalled request up and tries again, which touches the copy's row and sends
 * requests: only its bytes tell.
 *
 * 1. What a sweeper remembers are the bytes that it saw last; another one begins with its own first look.
 * 2. A copy whose job waits for a later time stands still on purpose.
 */
import type { Sql } from '#shared/db/connect-database.ts';

export interface WatchCopiesOptions {
  readonly sql: Sql;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

interface Copy {
  readonly id: string;
  readonly bytes: number;
}

/** Resolves to the seconds for which the stillest one has moved no byte; 0 when all move or there is none. */
export function createWatchCopies({ sql, now = () => performance.now() }: WatchCopiesOptions): () => Promise<number> {
  let seen = new Map<string, { readonly bytes: number; readonly sinceMs: number }>();
  return async () => {
    const copies = await sql<Copy[]>`
      SELECT t.owner_id || '/' || t.seq AS id, t.bytes_done::float8 AS bytes
      FROM transfers t LEFT JOIN jobs j ON t.owner = 'job' AND j.id = t.owner_id
      WHERE t.state IN ('COPYING', 'COMPLETING')
        AND (j.id IS NULL OR j.state <> 'WAITING' OR j.next_action_at < now() + interval '1 minute')`;
    const atMs = now();
    seen = new Map(
      copies.map(({ id, bytes }) => {
        const before = seen.get(id);
        return [id, before?.bytes === bytes ? before : { bytes, sinceMs: atMs }];
      }),
    );
    const oldestMs = Math.min(atMs, ...[...seen.values()].map(({ sinceMs }) => sinceMs));
    return (atMs - oldestMs) / 1_000;
  };
}
