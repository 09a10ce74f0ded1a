/**
 * Applies and removes routes, partners, external stores and the other kinds. A route whose definition did not change keeps its version, so applying a
 * file twice is harmless; a changed one becomes the next version, and files routed before stay on the version they were given. Of the others only
 * the present definition is kept and counts, for work under way too: its version says that it changed.
 *
 * Channels that a definition tells of (`notify`) are written with it; those that it no longer has go, with what they were to be told.
 *
 * What an operator disabled stays so: see `disable-access.ts`.
 *
 * The text of a definition is kept with its version. Another text of the same definition (a comment, another order) replaces the text of that version.
 *
 * Events: `route.applied`, `partner.applied`, `store.applied` and of the other kinds likewise, where the definition or its text changed;
 * `partner.removed` likewise.
 */
import type { Fragment, Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { DefinitionKind } from '#shared/db/schema.ts';
import type { ChannelDefinition } from '#shared/definitions/notify-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { dateFilesAgain } from '#shared/retention/redate-files.ts';
import { applyChannels } from './apply-channels.ts';

export interface DefinitionRow {
  readonly tenantId: string;
  readonly name: string;
  readonly definition: unknown;
  readonly definitionHash: string;
  /** As it was written; absent where there is none to keep, which leaves the text of an unchanged version as it is. */
  readonly source?: string | undefined;
}

export interface NotifyingDefinitionRow extends DefinitionRow {
  /** Of a route or an expectation: whom to tell of its files. */
  readonly notify?: readonly ChannelDefinition[];
}

/** What else belongs to an apply: a condition, and words for the audit. */
export interface ApplyTerms {
  /** Applied only while the definition has this revision; 0 is one that does not exist. */
  readonly revision?: number | undefined;
  readonly reason?: string | undefined;
  /** The earlier version whose text this is. */
  readonly restored?: number | undefined;
  /** What changes against this version, for people; left out of the audit if another one is in force. */
  readonly diff?: { readonly from: number; readonly text: string } | undefined;
}

/** Each time somebody else changed the very row. */
const MOST_TRIES = 100;

export interface AppliedRoute {
  readonly routeId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly version: number;
  readonly isNew: boolean;
}

/**
 * One statement for each route: its row is locked, so versions applied side by side are numbered in turn, and the same one is applied once.
 *
 * @throws the database's 23503 when the tenant is unknown; LongshoreError `DEFINITION_CHANGED`.
 */
export async function applyRoute(
  sql: Sql,
  route: NotifyingDefinitionRow,
  actor: string,
  terms: ApplyTerms = {},
): Promise<AppliedRoute> {
  const { tenantId, name } = route;
  if ((terms.revision ?? 0) === 0)
    await sql`
      INSERT INTO routes (id, tenant_id, name, active_version, revision) VALUES (uuid_v7(), ${tenantId}, ${name}, 0, 0)
      ON CONFLICT (tenant_id, name) DO NOTHING`;
  for (let tries = 1; tries <= MOST_TRIES; tries++) {
    const row = await tryToApplyRoute(sql, route, actor, terms);
    if (row === undefined) break;
    const { isStale, ...applied } = row;
    if (!isStale) return applied;
  }
  throw changedMeanwhile('route', route);
}

/** Undefined: the route has another revision. `isStale`: it was changed while this waited for its row, whose version the snapshot does not have. */
async function tryToApplyRoute(
  sql: Sql,
  route: NotifyingDefinitionRow,
  actor: string,
  terms: ApplyTerms,
): Promise<(AppliedRoute & { readonly isStale: boolean }) | undefined> {
  const { tenantId, name, definitionHash, source = null, notify = [] } = route;
  const channels = notify.map((channel) => ({ tenantId, route: name, channel }));
  const [row] = await sql<(AppliedRoute & { isStale: boolean })[]>`
    WITH input AS (SELECT ${toJsonb(route.definition)}::text::jsonb AS definition),
    seen AS MATERIALIZED (SELECT revision FROM routes WHERE tenant_id = ${tenantId} AND name = ${name}),
    locked AS MATERIALIZED (
      SELECT * FROM routes
      WHERE tenant_id = ${tenantId} AND name = ${name} AND revision = coalesce(${terms.revision ?? null}::int, revision) FOR UPDATE),
    judged AS (
      SELECT l.*, v.id AS version_id, v.definition_hash IS DISTINCT FROM ${definitionHash}::text AS is_new,
        v.definition_hash = ${definitionHash}::text AND v.source IS DISTINCT FROM coalesce(${source}::text, v.source)
          AS is_reworded
      FROM locked l JOIN seen s ON s.revision = l.revision LEFT JOIN route_versions v ON v.route_id = l.id AND v.version = l.active_version),
    changed AS (
      UPDATE routes r SET
        active_version = j.active_version + j.is_new::int,
        retention = (SELECT definition -> 'retention' FROM input),
        revision = j.revision + (j.is_new OR coalesce(j.is_reworded, false) OR j.removed_at IS NOT NULL)::int,
        disabled_at = CASE WHEN j.disabled_at = j.removed_at THEN NULL ELSE j.disabled_at END, removed_at = NULL
      FROM judged j WHERE r.id = j.id
      RETURNING r.*, j.active_version AS before, j.version_id, j.is_new, j.is_reworded, r.revision > j.revision AS is_changed,
        old.retention IS DISTINCT FROM new.retention AS is_kept_otherwise),
    inserted AS (
      INSERT INTO route_versions (id, route_id, version, definition, definition_hash, source, created_by)
      SELECT uuid_v7(), id, active_version, definition, ${definitionHash}, ${source}, ${actor}
      FROM changed CROSS JOIN input WHERE is_new),
    reworded AS (
      UPDATE route_versions v SET source = ${source} FROM changed c WHERE v.id = c.version_id AND c.is_reworded),
    ${dateFilesAgain(sql, sql`SELECT tenant_id FROM changed WHERE is_kept_otherwise`)},
    ${lookAtBatches(sql, sql`SELECT id FROM changed WHERE is_new`)},
    channel_owner AS (SELECT tenant_id, name AS route FROM changed),
    ${applyChannels(sql, channels)},
    event AS (
      SELECT 'route.applied' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        ${describeChange(sql, 'route', sql`active_version`, terms)} AS detail, '{events}'::text[] AS topics
      FROM changed WHERE is_changed),
    ${recordEvents(sql, actor)}
    SELECT l.id AS "routeId", l.tenant_id AS "tenantId", l.name, c.active_version AS version, c.is_new AS "isNew", c.id IS NULL AS "isStale"
    FROM locked l LEFT JOIN changed c USING (id)`;
  return row;
}

/** CTE. A route that gathers no files any more leaves its open batches to the clock, which closes them. */
function lookAtBatches(sql: Sql, routes: Fragment) {
  return sql`batches_looked_at AS (
      UPDATE batches SET look_at = now() WHERE state = 'OPEN' AND route_id IN (${routes}))`;
}

export interface AppliedDefinition {
  readonly version: number;
  readonly isNew: boolean;
}

/** Where the present definitions of each kind are. */
export const DEFINITION_TABLES = {
  partner: 'partners',
  store: 'stores',
  database: 'databases',
  remote: 'remotes',
  source: 'sources',
  calendar: 'calendars',
  expectation: 'expectations',
  sender: 'senders',
} as const satisfies Record<DefinitionKind, string>;

/** In `notice_channels.route`, whose other rows are of routes; their names have no "/". */
function ownerOf(kind: DefinitionKind, name: string): string {
  return `${kind}/${name}`;
}

/**
 * The row is locked by its upsert, so versions applied side by side are numbered in turn.
 *
 * @throws the database's 23503 when the tenant is unknown; LongshoreError `DEFINITION_CHANGED`.
 */
export async function applyDefinition(
  sql: Sql,
  kind: DefinitionKind | 'route',
  row: NotifyingDefinitionRow,
  actor: string,
  terms: ApplyTerms = {},
): Promise<AppliedDefinition> {
  if (kind === 'route') return await applyRoute(sql, row, actor, terms);
  const applied = await applyVersion(sql, kind, row, actor, terms);
  if (kind === 'source' && applied.isNew) await listNow(sql, row);
  return applied;
}

async function listNow(sql: Sql, { tenantId, name }: DefinitionRow): Promise<void> {
  await sql`UPDATE sources SET next_action_at = now(), woken_at = NULL WHERE tenant_id = ${tenantId} AND name = ${name}`;
}

async function applyVersion(
  sql: Sql,
  kind: DefinitionKind,
  row: NotifyingDefinitionRow,
  actor: string,
  terms: ApplyTerms,
): Promise<AppliedDefinition> {
  for (let tries = 1; tries <= MOST_TRIES; tries++) {
    const applied = await tryToApplyVersion(sql, kind, row, actor, terms);
    if (applied !== undefined) return applied;
  }
  throw changedMeanwhile(kind, row);
}

/** Undefined: it was changed while this waited for its row, whose text the snapshot does not have. */
async function tryToApplyVersion(
  sql: Sql,
  kind: DefinitionKind,
  row: NotifyingDefinitionRow,
  actor: string,
  terms: ApplyTerms,
): Promise<AppliedDefinition | undefined> {
  const table = DEFINITION_TABLES[kind];
  const { tenantId, name, definition, definitionHash, source = null, notify = [] } = row;
  const revision = terms.revision ?? null;
  const channels = notify.map((channel) => ({ tenantId, route: ownerOf(kind, name), channel }));
  const isOfRow = sql`tenant_id = ${tenantId} AND name = ${name}`;
  const hasOtherText = sql`(${source}::text IS NOT NULL AND NOT EXISTS (
            SELECT FROM definition_versions v WHERE v.tenant_id = p.tenant_id AND v.kind = ${kind} AND v.name = p.name
              AND v.version = p.version AND v.source = ${source}::text))`;
  const [changed] = await sql<AppliedDefinition[]>`
    WITH applied AS (
      INSERT INTO ${sql(table)} AS p (tenant_id, name, definition, definition_hash, version, created_by)
      SELECT ${tenantId}, ${name}, ${toJsonb(definition)}::text::jsonb, ${definitionHash}, 1, ${actor}
      WHERE coalesce(${revision}::int, 0) = 0 OR EXISTS (SELECT FROM ${sql(table)} WHERE ${isOfRow})
      ON CONFLICT (tenant_id, name) DO UPDATE SET definition = excluded.definition, definition_hash = excluded.definition_hash,
        version = p.version + (p.definition_hash <> excluded.definition_hash)::int, revision = p.revision + 1,
        removed_at = NULL, created_by = excluded.created_by, updated_at = now()
      WHERE p.revision = coalesce(${revision}::int, p.revision)
        AND (p.definition_hash <> excluded.definition_hash OR p.removed_at IS NOT NULL
          OR p.revision = (SELECT revision FROM ${sql(table)} WHERE ${isOfRow}) AND ${hasOtherText})
      RETURNING p.*, old.version AS before),
    kept AS (
      INSERT INTO definition_versions AS v (kind, tenant_id, name, version, definition, definition_hash, source, created_by)
      SELECT ${kind}, tenant_id, name, version, definition, definition_hash, ${source}::text, created_by FROM applied
      ON CONFLICT (tenant_id, kind, name, version) DO UPDATE SET source = coalesce(excluded.source, v.source)),
    channel_owner AS (SELECT tenant_id, ${ownerOf(kind, name)}::text AS route FROM applied),
    ${applyChannels(sql, channels)},
    event AS (
      SELECT ${`${kind}.applied`}::text AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        ${describeChange(sql, kind, sql`version`, terms)} AS detail, '{events}'::text[] AS topics
      FROM applied),
    ${recordEvents(sql, actor)}
    SELECT version, before IS DISTINCT FROM version AS "isNew" FROM applied`;
  if (changed !== undefined) return changed;
  const [present] = await sql<{ version: number; revision: number; isApplied: boolean }[]>`
    SELECT version, revision, removed_at IS NULL AND definition_hash = ${definitionHash} AND NOT ${hasOtherText} AS "isApplied"
    FROM ${sql(table)} AS p WHERE ${isOfRow}`;
  if (present === undefined || present.revision !== (revision ?? present.revision)) throw changedMeanwhile(kind, row);
  return present.isApplied ? { version: present.version, isNew: false } : undefined;
}

/** Reads `name` and `before`, the version that was in force. */
function describeChange(sql: Sql, word: string, version: ReturnType<Sql>, { reason, restored, diff }: ApplyTerms) {
  return sql`jsonb_strip_nulls(jsonb_build_object(${word}::text, name, 'version', ${version}, 'before', nullif(before, 0),
    'reason', ${reason ?? null}::text, 'restored', ${restored ?? null}::int,
    'diff', CASE WHEN before = ${diff?.from ?? null}::int THEN ${diff?.text ?? null}::text END))`;
}

function changedMeanwhile(kind: string, { tenantId, name }: DefinitionRow): LongshoreError {
  return new LongshoreError('DEFINITION_CHANGED', `The ${kind} ${tenantId}/${name} was changed by somebody else.`);
}

export interface DefinitionsToRemove {
  readonly kind: 'route' | DefinitionKind;
  readonly tenantId: string;
  readonly names: readonly string[];
  readonly reason?: string | undefined;
}

/**
 * What the files no longer have: routes take no new files, partners and stores are as if they did not exist. Their versions are kept, and
 * applied again they are back. Events: `route.removed` and of the other kinds likewise.
 */
export async function removeDefinitions(
  sql: Sql,
  { kind, tenantId, names, reason }: DefinitionsToRemove,
  actor: string,
): Promise<void> {
  const table = kind === 'route' ? 'routes' : DEFINITION_TABLES[kind];
  const version = kind === 'route' ? sql`active_version` : sql`version`;
  await sql`
    WITH removed AS (
      UPDATE ${sql(table)} SET removed_at = now(), revision = revision + 1
        ${kind === 'route' ? sql`, disabled_at = coalesce(disabled_at, now())` : sql``}
      WHERE tenant_id = ${tenantId} AND name = ANY(${[...names]}::text[]) AND removed_at IS NULL
      RETURNING *),
    ${kind === 'route' ? sql`${lookAtBatches(sql, sql`SELECT id FROM removed`)},` : sql``}
    event AS (
      SELECT ${`${kind}.removed`}::text AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_strip_nulls(jsonb_build_object(${kind}::text, name, 'version', ${version}, 'reason', ${reason ?? null}::text)) AS detail,
        '{events}'::text[] AS topics
      FROM removed),
    ${recordEvents(sql, actor)}
    SELECT 1`;
}
