/** Where what was made of a file is: delivered, its results, and the rows that were rejected. */
import { DOWNLOADS } from '#shared/api/uploads.ts';
import type { Sql } from '#shared/db/connect-database.ts';

export interface Made {
  readonly tenantId: string;
  readonly fileId: string;
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | null;
  readonly sizeBytes: number;
}

type MadeKind = Exclude<(typeof DOWNLOADS)[number], 'original'>;

interface MadeQuestion {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly fileId: string;
  readonly what: MadeKind;
  /** Of several routes that made something. */
  readonly route?: string | undefined;
}

/** The newest of several. */
export async function findMade(sql: Sql, { tenantId, fileId, what, route }: MadeQuestion): Promise<Made | undefined> {
  const [made] = await sql<Made[]>`
    WITH ${madeOf(sql, fileId)}
    SELECT f.tenant_id AS "tenantId", f.id AS "fileId", m.place ->> 'bucket' AS bucket, m.place ->> 'key' AS key,
      m.place ->> 'versionId' AS "versionId", coalesce((m.place ->> 'sizeBytes')::float8, 0) AS "sizeBytes"
    FROM made m JOIN files f ON f.id = m.file_id JOIN routes r ON r.id = m.route_id
    WHERE m.what = ${what} AND (${tenantId}::text IS NULL OR f.tenant_id = ${tenantId})
      AND (${route ?? null}::text IS NULL OR r.name = ${route ?? null})
    ORDER BY m.finished_at DESC LIMIT 1`;
  return made;
}

/** What there is, of a file whose objects have not expired. */
export async function findMadeKinds(sql: Sql, fileId: string): Promise<MadeKind[]> {
  const rows = await sql<{ what: MadeKind }[]>`WITH ${madeOf(sql, fileId)} SELECT DISTINCT what FROM made`;
  const found = new Set(rows.map(({ what }) => what));
  return DOWNLOADS.filter((what): what is MadeKind => what !== 'original' && found.has(what));
}

/** A CTE: a row for each place in a store of ours, with what is there. What failed is what results, and rejected rows, are read for. */
function madeOf(sql: Sql, fileId: string) {
  return sql`
    made AS (
      SELECT j.file_id, j.route_id, w.what, w.place, s.finished_at
      FROM jobs j JOIN job_steps s ON s.job_id = j.id
        CROSS JOIN LATERAL (VALUES
          ('delivered', s.kind = 'deliver', s.output),
          ('results', s.kind IN ('deliver', 'transform', 'confirm'), s.output),
          ('results', s.kind = 'call', s.output -> 'results'),
          ('rejects', s.kind IN ('parse', 'load', 'convert'), s.output -> 'rejects'),
          ('rejects', s.kind = 'transform', s.output -> 'rejectedRows')) AS w(what, is_of_kind, place)
      WHERE j.file_id = ${fileId} AND w.is_of_kind AND w.place ? 'bucket' AND w.place ? 'key' AND NOT w.place ? 'store'
        AND (s.state = 'SUCCEEDED' OR (s.state = 'FAILED' AND (s.kind = 'call' OR w.what = 'rejects'))))`;
}
