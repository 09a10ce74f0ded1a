/**
 * Delivery places: of several versions of one key, the newest is what stays at their destination, whatever order they are processed in.
 *
 * 1. Only jobs of a key that has other versions take a place; to all others a delivery costs nothing here.
 * 2. One job at a time holds a place, as long as it runs under a live lease; others wait, which counts no attempt.
 * 3. A place remembers the newest file that was delivered there. An older one is not written over it: its job succeeds, and says so.
 * 4. A job claimed before another version was known has no place. It is waited for while it runs.
 * 5. The newer file is the one uploaded later; within one instant the store's sequencer decides, then the registration.
 *
 * `takePlace`.  Out: whether the job may write now, must wait, or came too late.
 * `leavePlace`. In: whether it was delivered. Only the holder changes anything. Events: none; the outcome of the step says it.
 */
import { createHash } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';

export interface DeliveryPlace {
  readonly jobId: string;
  /** Undefined: of the fleet's own store. */
  readonly store?: string | undefined;
  readonly bucket: string;
  readonly key: string;
}

export type PlaceTaken =
  | { readonly type: 'taken' }
  | { readonly type: 'busy' }
  /** A newer file was delivered there. */
  | { readonly type: 'superseded'; readonly fileId: string };

export async function takePlace(sql: Sql, place: DeliveryPlace): Promise<PlaceTaken> {
  const id = placeId(place);
  const [row] = await sql<{ supersededBy: string | null }[]>`
    WITH mine AS (
      SELECT j.id, j.route_id, f.id AS file_id, f.bucket, f.key, f.uploaded_at, f.sequencer, f.order_seq
      FROM jobs j JOIN files f ON f.id = j.file_id WHERE j.id = ${place.jobId}),
    newest AS (
      SELECT o.id, o.uploaded_at, o.sequencer, o.order_seq FROM mine m JOIN files o ON o.bucket = m.bucket AND o.key = m.key
        JOIN jobs oj ON oj.file_id = o.id AND oj.route_id = m.route_id
        JOIN job_steps s ON s.job_id = oj.id AND s.kind = 'deliver' AND s.state = 'SUCCEEDED'
      WHERE s.output ->> 'bucket' = ${place.bucket} AND s.output ->> 'key' = ${place.key}
        AND s.output ->> 'store' IS NOT DISTINCT FROM ${place.store ?? null} AND NOT s.output ? 'supersededBy'
        AND NOT EXISTS (SELECT 1 FROM delivery_places WHERE id = ${id})
      ORDER BY o.uploaded_at DESC, coalesce(o.sequencer, '') COLLATE "C" DESC, o.order_seq DESC LIMIT 1)
    INSERT INTO delivery_places AS p (id, file_id, uploaded_at, sequencer, order_seq, holder)
    SELECT ${id}, n.id, n.uploaded_at, n.sequencer, n.order_seq, m.id
    FROM mine m LEFT JOIN newest n ON true
    WHERE NOT EXISTS (
      SELECT 1 FROM files o JOIN jobs oj ON oj.file_id = o.id AND oj.route_id = m.route_id
      WHERE o.bucket = m.bucket AND o.key = m.key AND o.status = 'PROCESSING' AND o.id <> m.file_id
        AND oj.state = 'RUNNING' AND oj.lease_until > now() AND NOT oj.shares_place)
    ON CONFLICT (id) DO UPDATE SET holder = excluded.holder
      WHERE p.holder IS NULL OR p.holder = excluded.holder OR NOT EXISTS (
        SELECT 1 FROM jobs h WHERE h.id = p.holder AND h.state = 'RUNNING' AND h.lease_until > now())
    RETURNING (
      SELECT p.file_id FROM mine m WHERE p.file_id <> m.file_id
        AND (p.uploaded_at, coalesce(p.sequencer, '') COLLATE "C", p.order_seq) > (m.uploaded_at, coalesce(m.sequencer, ''), m.order_seq)
    ) AS "supersededBy"`;
  if (row === undefined) return { type: 'busy' };
  if (row.supersededBy === null) return { type: 'taken' };
  await leavePlace(sql, place, false);
  return { type: 'superseded', fileId: row.supersededBy };
}

export async function leavePlace(sql: Sql, place: DeliveryPlace, isDelivered: boolean): Promise<void> {
  await sql`
    UPDATE delivery_places p SET holder = NULL,
      file_id = CASE WHEN ${isDelivered} THEN f.id ELSE p.file_id END,
      uploaded_at = CASE WHEN ${isDelivered} THEN f.uploaded_at ELSE p.uploaded_at END,
      sequencer = CASE WHEN ${isDelivered} THEN f.sequencer ELSE p.sequencer END,
      order_seq = CASE WHEN ${isDelivered} THEN f.order_seq ELSE p.order_seq END
    FROM jobs j JOIN files f ON f.id = j.file_id
    WHERE p.id = ${placeId(place)} AND p.holder = ${place.jobId} AND j.id = ${place.jobId}`;
}

function placeId({ store = '', bucket, key }: DeliveryPlace): string {
  return createHash('sha256')
    .update(JSON.stringify([store, bucket, key]))
    .digest('hex');
}
