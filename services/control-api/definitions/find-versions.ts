/** One definition with its text, and its versions: of routes, partners and stores alike. */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { DEFINITION_KINDS } from '#shared/db/schema.ts';
import { DEFINITION_TABLES } from '#shared/definitions/apply-definitions.ts';
import { encodeLineCursor } from '../http/page-cursor.ts';
import { writeSource } from './write-source.ts';

export const VERSIONED_KINDS = ['route', ...DEFINITION_KINDS] as const;
export type VersionedKind = (typeof VERSIONED_KINDS)[number];

export const versionSchema = z
  .object({
    version: z.number(),
    applied_by: z.string(),
    applied_at: z.string(),
    definition: z.unknown().describe('As applied, with defaults. Secrets are shown by name only.'),
    source: z.string().describe('As it was written, with comments.'),
    source_kept: z.boolean().describe('False: the text was not kept, and `source` is made from the definition.'),
  })
  .meta({ id: 'DefinitionVersion' });
type Version = z.infer<typeof versionSchema>;

const jobsSchema = z.object({ total: z.number(), failed: z.number(), open: z.number() });

export const versionPageSchema = z.object({
  versions: z
    .array(
      versionSchema.omit({ definition: true, source: true }).extend({
        in_force: z.boolean(),
        recent_jobs: jobsSchema
          .optional()
          .describe('Of a route: how many of its newest 10,000 jobs have this version, and how they ended.'),
      }),
    )
    .describe('Newest first.'),
  next_cursor: z.string().nullable(),
});

export type VersionPage = z.infer<typeof versionPageSchema>;

export interface DefinitionName {
  readonly kind: VersionedKind;
  readonly tenant: string;
  readonly name: string;
}

export interface PresentDefinition extends Version {
  readonly id: string | null;
  readonly tenant: string;
  readonly name: string;
  readonly revision: number;
  readonly disabledAt: string | null;
  readonly removedAt: string | null;
}

interface VersionRow {
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly definition: unknown;
  readonly source: string | null;
}

interface PresentRow extends VersionRow {
  readonly id: string | null;
  readonly revision: number;
  readonly disabledAt: Date | null;
  readonly removedAt: Date | null;
}

export async function findPresent(
  sql: Sql,
  { kind, tenant, name }: DefinitionName,
): Promise<PresentDefinition | undefined> {
  const [row] =
    kind === 'route'
      ? await sql<PresentRow[]>`
          SELECT r.id, v.version, v.definition, v.source, v.created_by AS "createdBy", v.created_at AS "createdAt", r.revision,
            r.disabled_at AS "disabledAt", r.removed_at AS "removedAt"
          FROM routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
          WHERE r.tenant_id = ${tenant} AND r.name = ${name}`
      : await sql<PresentRow[]>`
          SELECT NULL AS id, d.version, d.definition, v.source, d.created_by AS "createdBy", d.updated_at AS "createdAt", d.revision,
            NULL AS "disabledAt", d.removed_at AS "removedAt"
          FROM ${sql(DEFINITION_TABLES[kind])} d LEFT JOIN definition_versions v
            ON v.kind = ${kind} AND v.tenant_id = d.tenant_id AND v.name = d.name AND v.version = d.version
          WHERE d.tenant_id = ${tenant} AND d.name = ${name}`;
  if (row === undefined) return undefined;
  return {
    ...toVersion(row),
    id: row.id,
    tenant,
    name,
    revision: row.revision,
    disabledAt: row.disabledAt?.toISOString() ?? null,
    removedAt: row.removedAt?.toISOString() ?? null,
  };
}

export async function findVersion(sql: Sql, of: DefinitionName, version: number): Promise<Version | undefined> {
  const [row] = await sql<VersionRow[]>`
    SELECT version, definition, source, created_by AS "createdBy", created_at AS "createdAt"
    FROM ${versionsOf(sql, of)} v WHERE version = ${version}`;
  return row && toVersion(row);
}

interface PageOptions {
  readonly before: number | undefined;
  readonly limit: number;
}

export async function findVersions(
  sql: Sql,
  present: PresentDefinition,
  kind: VersionedKind,
  { before, limit }: PageOptions,
): Promise<z.infer<typeof versionPageSchema>> {
  const { tenant, name } = present;
  const rows = await sql<(Omit<VersionRow, 'definition' | 'source'> & { id: string | null; isKept: boolean })[]>`
    SELECT id, version, created_by AS "createdBy", created_at AS "createdAt", source IS NOT NULL AS "isKept"
    FROM ${versionsOf(sql, { kind, tenant, name })} v
    WHERE version < ${before ?? 2_147_483_647}::int ORDER BY version DESC LIMIT ${limit + 1}`;
  const jobs = present.id === null ? undefined : await countRecentJobs(sql, present.id);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    versions: page.map((row) => ({
      version: row.version,
      applied_by: row.createdBy,
      applied_at: row.createdAt.toISOString(),
      source_kept: row.isKept,
      in_force: row.version === present.version,
      ...(jobs && { recent_jobs: jobs.get(row.id ?? '') ?? { total: 0, failed: 0, open: 0 } }),
    })),
    next_cursor: last === undefined ? null : encodeLineCursor(last.version),
  };
}

/** Of versions of `definition_versions` the id is null. */
function versionsOf(sql: Sql, { kind, tenant, name }: DefinitionName) {
  return kind === 'route'
    ? sql`(
        SELECT v.* FROM route_versions v JOIN routes r ON r.id = v.route_id WHERE r.tenant_id = ${tenant} AND r.name = ${name})`
    : sql`(
        SELECT NULL AS id, d.* FROM definition_versions d
        WHERE d.kind = ${kind} AND d.tenant_id = ${tenant} AND d.name = ${name})`;
}

const RECENT_JOBS = 10_000;

async function countRecentJobs(sql: Sql, routeId: string): Promise<Map<string, z.infer<typeof jobsSchema>>> {
  const rows = await sql<(z.infer<typeof jobsSchema> & { id: string })[]>`
    SELECT route_version_id AS id, count(*)::int AS total, count(*) FILTER (WHERE state = 'FAILED')::int AS failed,
      count(*) FILTER (WHERE state IN ('PENDING', 'RUNNING', 'WAITING'))::int AS open
    FROM (SELECT route_version_id, state FROM jobs WHERE route_id = ${routeId} ORDER BY id DESC LIMIT ${RECENT_JOBS}) j
    GROUP BY 1`;
  return new Map(rows.map(({ id, ...counts }) => [id, counts]));
}

function toVersion({ version, createdBy, createdAt, definition, source }: VersionRow): Version {
  return {
    version,
    applied_by: createdBy,
    applied_at: createdAt.toISOString(),
    definition,
    source: source ?? writeSource(definition),
    source_kept: source !== null,
  };
}

export interface PresentText {
  readonly version: number;
  readonly definition: unknown;
  readonly source: string | null;
}

/** By `<tenant>/<name>`. */
export async function findPresentTexts(
  sql: Sql,
  kind: VersionedKind,
  names: readonly { readonly tenant: string; readonly name: string }[],
): Promise<ReadonlyMap<string, PresentText>> {
  if (names.length === 0) return new Map();
  const asked = sql`
    unnest(${names.map(({ tenant }) => tenant)}::text[], ${names.map(({ name }) => name)}::text[]) AS asked(tenant_id, name)`;
  const rows = await sql<(PresentText & { key: string })[]>`
    SELECT asked.tenant_id || '/' || asked.name AS key, version, definition, source
    FROM ${asked} JOIN ${
      kind === 'route'
        ? sql`(
            SELECT r.tenant_id, r.name, v.version, v.definition, v.source
            FROM routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version)`
        : sql`(
            SELECT d.tenant_id, d.name, d.version, d.definition, v.source
            FROM ${sql(DEFINITION_TABLES[kind])} d LEFT JOIN definition_versions v
              ON v.kind = ${kind} AND v.tenant_id = d.tenant_id AND v.name = d.name AND v.version = d.version)`
    } p USING (tenant_id, name)`;
  return new Map(rows.map(({ key, ...text }) => [key, text]));
}
