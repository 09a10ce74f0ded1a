/** Reads of the times at which files are expected. */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { OCCURRENCE_STATES, type OccurrenceState } from '#shared/db/schema.ts';
import { ODDITIES } from '#shared/definitions/expectation-schema.ts';
import { encodeCursor, type PagePosition } from '../http/page-cursor.ts';

export const occurrenceSchema = z
  .object({
    occurrence_id: z.string(),
    customer_id: z.string(),
    expectation: z.string(),
    state: z
      .enum(OCCURRENCE_STATES)
      .describe(
        'PENDING: files do not count yet. OPEN: they do. MET, MET_LATE: enough came, in time or after it. LATE: not yet. MISSED: not at all. EXCUSED: a person said that they would not come.',
      ),
    at_risk: z.boolean().describe('It is open, and the warning time has passed.'),
    opens_at: z.string(),
    due_at: z.string(),
    closes_at: z.string().describe('Files that come later do not count.'),
    met_at: z.string().nullable().describe('Registration of the last file that was needed.'),
    needed: z.number(),
    files: z.array(z.string()).describe('Ids of those that came, at most 100.'),
    file_count: z.number(),
    oddities: z.array(z.enum(ODDITIES)),
    note: z.string().nullable(),
    noted_by: z.string().nullable(),
  })
  .meta({ id: 'ExpectedOccurrence' });
export const occurrencePageSchema = z
  .object({ occurrences: z.array(occurrenceSchema), next_cursor: z.string().nullable() })
  .meta({ id: 'ExpectedOccurrencePage' });
export type Occurrence = z.infer<typeof occurrenceSchema>;
export type OccurrencePage = z.infer<typeof occurrencePageSchema>;

export interface OccurrenceFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly expectation?: string | undefined;
  readonly states?: readonly OccurrenceState[] | undefined;
  /** Of the time they are due. */
  readonly from: string;
  readonly to: string;
  readonly after?: PagePosition | undefined;
  readonly limit: number;
}

const FILES_SHOWN = 100;

/** In the order in which they are due. */
export async function findOccurrences(
  sql: Sql,
  { tenantId, expectation, states, from, to, after, limit }: OccurrenceFilters,
): Promise<OccurrencePage> {
  const rows = await sql<(Occurrence & { readonly at: string })[]>`
    SELECT ${columns(sql)}, ${instant(sql, sql`o.due_at`, 'US')} AS at FROM expected_occurrences o ${withExpectation(sql)}
    WHERE o.due_at >= ${from} AND o.due_at <= ${to}
      ${tenantId === null ? sql`` : sql`AND o.tenant_id = ${tenantId}`}
      ${expectation === undefined ? sql`` : sql`AND o.expectation = ${expectation}`}
      ${states === undefined ? sql`` : sql`AND o.state = ANY(${[...states]}::text[])`}
      ${after === undefined ? sql`` : sql`AND (o.due_at, o.id) > (${after.at}::timestamptz, ${after.id}::uuid)`}
    ORDER BY o.due_at, o.id LIMIT ${limit + 1}`;
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return {
    occurrences: shown.map(({ at: _, ...occurrence }) => occurrence),
    next_cursor: last === undefined ? null : encodeCursor({ at: last.at, id: last.occurrence_id }),
  };
}

export async function findOccurrence(sql: Sql, tenantId: string | null, id: string): Promise<Occurrence | undefined> {
  const [row] = await sql<Occurrence[]>`
    SELECT ${columns(sql)} FROM expected_occurrences o ${withExpectation(sql)}
    WHERE o.id = ${id} ${tenantId === null ? sql`` : sql`AND o.tenant_id = ${tenantId}`}`;
  return row;
}

function withExpectation(sql: Sql) {
  return sql`JOIN expectations e ON e.tenant_id = o.tenant_id AND e.name = o.expectation`;
}

function columns(sql: Sql) {
  return sql`
    o.id AS occurrence_id, o.tenant_id AS customer_id, o.expectation, o.state, o.state = 'OPEN' AND o.at_risk_at IS NOT NULL AS at_risk,
    ${instant(sql, sql`o.opens_at`)} AS opens_at, ${instant(sql, sql`o.due_at`)} AS due_at, ${instant(sql, sql`o.closes_at`)} AS closes_at,
    ${instant(sql, sql`o.met_at`)} AS met_at, coalesce((e.definition -> 'count' ->> 'min')::int, 1) AS needed,
    o.file_ids[1:${FILES_SHOWN}::int] AS files, cardinality(o.file_ids) AS file_count, o.oddities, o.note, o.noted_by`;
}

function instant(sql: Sql, column: ReturnType<Sql>, fraction: 'MS' | 'US' = 'MS') {
  return sql`to_char(${column} AT TIME ZONE 'UTC', ${`YYYY-MM-DD"T"HH24:MI:SS.${fraction}"Z"`})`;
}
