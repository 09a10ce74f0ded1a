/** Which routes call a partner, at any depth: `call`, `post`, `enrich`, and those of branches. */
import type { Sql } from '#shared/db/connect-database.ts';

/** A JSON path in the definition of a route version; `$name` is the partner's. */
export const CALLS_PARTNER = '$.steps[*].** ? (@.partner == $name)';

/** `definition`: of a route version, a column; `name` may be one, too. */
export function callsPartner(sql: Sql, definition: ReturnType<Sql>, name: string | ReturnType<Sql>) {
  return sql`jsonb_path_exists(${definition}, ${CALLS_PARTNER}::jsonpath, jsonb_build_object('name', ${typeof name === 'string' ? sql`${name}::text` : name}))`;
}
