/**
 * Rows of `templates`: a version is asked for, uploaded, checked once, and then never changes.
 *
 * The check is stored by whoever sees the upload first; a second one changes nothing.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { TEMPLATE_FORMATS, TEMPLATE_STATUSES } from '#shared/db/schema.ts';
import type { CheckedTemplate, TemplateFault } from './checked-template.ts';

export interface TemplateRow {
  readonly tenantId: string;
  readonly id: string;
  readonly version: number;
  readonly format: (typeof TEMPLATE_FORMATS)[number];
  readonly topic: string;
  readonly status: (typeof TEMPLATE_STATUSES)[number];
  readonly key: string;
  readonly sizeBytes: number | null;
  readonly subject: string | null;
  readonly variables: readonly string[];
  readonly warnings: readonly string[];
  readonly faults: readonly TemplateFault[];
  readonly expiresAt: Date;
  readonly isExpired: boolean;
  readonly versions: readonly number[];
}

export interface NewTemplate {
  readonly tenantId: string;
  readonly id: string;
  readonly format: TemplateRow['format'];
  readonly topic: string;
  /** Of the object, without the version. */
  readonly keyPrefix: string;
  readonly actor: string;
}

const UPLOAD_HOURS = 24;

/** The next version; undefined when another request took its number meanwhile. */
export async function createTemplate(sql: Sql, template: NewTemplate): Promise<TemplateRow | undefined> {
  const { tenantId, id, format, topic, keyPrefix, actor } = template;
  const [row] = await sql<{ version: number }[]>`
    INSERT INTO templates (tenant_id, id, version, format, topic, key, created_by, expires_at)
    SELECT ${tenantId}, ${id}, n.version, ${format}, ${topic}, ${keyPrefix} || n.version, ${actor},
      now() + ${UPLOAD_HOURS}::int * interval '1 hour'
    FROM (
      SELECT coalesce(max(version), 0) + 1 AS version FROM templates WHERE tenant_id = ${tenantId} AND id = ${id}) AS n
    ON CONFLICT DO NOTHING RETURNING version`;
  return row && (await findTemplate(sql, { tenantId, id, version: row.version }));
}

export interface TemplateAt {
  readonly tenantId: string;
  readonly id: string;
  /** The newest when absent. */
  readonly version?: number | undefined;
}

export async function findTemplate(sql: Sql, { tenantId, id, version }: TemplateAt): Promise<TemplateRow | undefined> {
  const [row] = await sql<TemplateRow[]>`
    SELECT tenant_id AS "tenantId", id, version, format, topic, status, key, size_bytes AS "sizeBytes", subject, variables, warnings,
      faults, expires_at AS "expiresAt", expires_at <= now() AS "isExpired",
      (SELECT array_agg(v.version ORDER BY v.version DESC) FROM (
        SELECT version FROM templates WHERE tenant_id = ${tenantId} AND id = ${id} ORDER BY version DESC LIMIT 100) AS v) AS versions
    FROM templates WHERE tenant_id = ${tenantId} AND id = ${id}
      AND (${version ?? null}::int IS NULL OR version = ${version ?? null}::int)
    ORDER BY version DESC LIMIT 1`;
  return row;
}

/** Of a version that awaits its upload. */
export async function storeCheck(
  sql: Sql,
  { tenantId, id, version }: Required<TemplateAt> & { readonly version: number },
  { checked, sizeBytes }: { readonly checked: CheckedTemplate; readonly sizeBytes: number },
): Promise<void> {
  const { mail, variables, warnings } = checked.ok ? checked : { mail: undefined, variables: [], warnings: [] };
  await sql`
    UPDATE templates SET status = ${checked.ok ? 'READY' : 'INVALID'}, size_bytes = ${sizeBytes}, checked_at = now(),
      subject = ${mail?.subject ?? null}, html = ${mail?.html ?? null}, "text" = ${mail?.text ?? null},
      variables = ${[...variables]}::text[], warnings = ${[...warnings]}::text[],
      faults = ${toJsonb(checked.ok ? [] : checked.faults)}::text::jsonb
    WHERE tenant_id = ${tenantId} AND id = ${id} AND version = ${version} AND status = 'AWAITING_UPLOAD'`;
}

export async function expireTemplate(sql: Sql, { tenantId, id, version }: TemplateRow): Promise<void> {
  await sql`
    UPDATE templates SET status = 'EXPIRED'
    WHERE tenant_id = ${tenantId} AND id = ${id} AND version = ${version} AND status = 'AWAITING_UPLOAD' AND expires_at <= now()`;
}
