/** What the file named by a dead letter is doing now. Absent: there is no such file. */
import type { Sql } from '#shared/db/connect-database.ts';

export interface FileCondition {
  readonly tenantId: string;
  /** `open`: the clocks wake it as long as it has something to do. */
  readonly condition: 'open' | 'terminal';
}

export async function fileConditions(sql: Sql, fileIds: readonly string[]): Promise<Map<string, FileCondition>> {
  if (fileIds.length === 0) return new Map();
  const rows = await sql<(FileCondition & { id: string })[]>`
    SELECT id, tenant_id AS "tenantId",
      CASE WHEN status IN ('UPLOADED', 'QUEUED', 'PROCESSING') THEN 'open' ELSE 'terminal' END AS condition
    FROM files WHERE id = ANY(${[...fileIds]}::uuid[])`;
  return new Map(rows.map(({ id, tenantId, condition }) => [id, { tenantId, condition }]));
}
