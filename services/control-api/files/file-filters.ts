/** The filters of lists of files: as they are asked for, and as conditions of SQL. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, eq, type SQL, sql } from '#shared/db/drizzle.ts';
import { FILE_STATUSES, type FileStatus, files } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { toLikePattern } from '#shared/text/like-pattern.ts';
import { anyCaseListField, instantField, tenantField, textField } from '../http/request-fields.ts';
import { ofTenant } from '../http/tenant-scope.ts';

export const FILE_ORDERS = ['newest', 'oldest', 'finished'] as const;
export type FileOrder = (typeof FILE_ORDERS)[number];

/** A name that begins with `*` has no index to help it. */
const SUBSTRING_DAYS = 7;
const SUBSTRING_MS = SUBSTRING_DAYS * 86_400_000;

export const fileFiltersSchema = z.strictObject({
  tenant: tenantField.optional().describe('For operators. A tenant’s key always sees its own files only.'),
  status: anyCaseListField(FILE_STATUSES)
    .optional()
    .describe(
      `One or more of ${FILE_STATUSES.join(', ')}, with commas between them, in any case. Markers and checksums of other files are listed with \`companion\` alone.`,
    ),
  code: textField(64).optional().describe('Of failed and quarantined files: this error, e.g. NO_ROUTE.'),
  cause: textField(64).optional().describe('Of failed and quarantined files: this cause, e.g. HTTP_503.'),
  route: textField(128).optional().describe('With a job on a route of this name.'),
  partner: textField(128).optional().describe('With a job on a route that calls this partner.'),
  source: textField(32).optional().describe('How it arrived, e.g. sftp, http, portal, pull, s3 or reconciliation.'),
  path: textField(1_024)
    .optional()
    .describe('The path begins with this, e.g. inbound/orders/ of a tenant, or acme/inbound/orders/ of any.'),
  name: textField(1_024)
    .optional()
    .describe(
      `Exact name, or a pattern with *. A pattern that begins with * is searched for in ${SUBSTRING_DAYS} days at most: the last ones, unless from and to say which.`,
    ),
  type: textField(64).toLowerCase().optional().describe('File extension without the dot.'),
  min_size: z.coerce
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('At least this many bytes.'),
  checksum: textField(256).optional().describe('Of the content, as the file shows it, e.g. CRC64NVME:…'),
  from: instantField.optional().describe('Registered at this time or later, RFC 3339.'),
  to: instantField.optional().describe('Registered before this time.'),
  finished_from: instantField.optional().describe('Completed, failed or quarantined at this time or later.'),
});

export interface FileFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  /** Without any, companions are left out. */
  readonly statuses?: readonly FileStatus[] | undefined;
  readonly code?: string | undefined;
  readonly cause?: string | undefined;
  readonly route?: string | undefined;
  readonly partner?: string | undefined;
  readonly source?: string | undefined;
  /** Of the key, its beginning. */
  readonly path?: string | undefined;
  /** Exact, or with `*` for any run of characters. */
  readonly name?: string | undefined;
  /** Extension, lower case, without the dot. */
  readonly type?: string | undefined;
  readonly minSize?: number | undefined;
  readonly checksum?: string | undefined;
  /** Registered at or after, and before. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly finishedFrom?: string | undefined;
}

/** @throws LongshoreError `REQUEST_INVALID` when a name cannot be searched for in so long a time. */
export function toFileFilters(
  { tenant: _, status, min_size, finished_from, path, ...filters }: z.output<typeof fileFiltersSchema>,
  tenantId: string | null,
  now: number,
): FileFilters {
  const { name, to } = filters;
  const isSubstring = name?.startsWith('*') === true;
  const end = to === undefined ? now : Date.parse(to);
  const from = filters.from ?? (isSubstring ? new Date(end - SUBSTRING_MS).toISOString() : undefined);
  // The clock continues between the reading of `--since 7d` and here.
  if (isSubstring && from !== undefined && end - Date.parse(from) > SUBSTRING_MS + 60_000)
    throw new LongshoreError(
      'REQUEST_INVALID',
      `A name that begins with * is searched for in ${SUBSTRING_DAYS} days at most.`,
      { hint: 'Give a from and a to that are closer together, or a name that does not begin with *.' },
    );
  return {
    ...filters,
    path: path === undefined || tenantId === null ? path : withinTenant(path, tenantId),
    from,
    tenantId,
    statuses: status,
    minSize: min_size,
    finishedFrom: finished_from,
  };
}

/** A route's `match.path` has no tenant in it, a key in the landing bucket has: both are taken. */
function withinTenant(path: string, tenantId: string): string {
  const home = `${tenantId}/`;
  return path.startsWith(home) ? path : home + path;
}

/** Each of these has a stretch of its own partial index: a rare status costs no walk through everything else. */
const UNSUCCESSFUL: readonly FileStatus[] = ['FAILED', 'QUARANTINED'];
const OPEN: readonly FileStatus[] = ['UPLOADED', 'QUEUED', 'PROCESSING'];

/** The statuses by the indexes that have them; undefined when they are not in one of these alone. */
export function statusGroupsOf({ statuses, code, cause }: FileFilters): readonly (readonly FileStatus[])[] | undefined {
  const failing = code === undefined && cause === undefined ? undefined : UNSUCCESSFUL;
  const wanted = statuses ?? failing;
  if (!wanted?.every((status) => OPEN.includes(status) || UNSUCCESSFUL.includes(status))) return undefined;
  const open = wanted.filter((status) => OPEN.includes(status));
  return [open, ...UNSUCCESSFUL.filter((status) => wanted.includes(status)).map((status) => [status])].filter(
    (group) => group.length > 0,
  );
}

/** Whether an index has them in the order in which they ended. */
export function isByFinish(filters: FileFilters): boolean {
  const groups = filters.route === undefined && filters.partner === undefined ? statusGroupsOf(filters) : undefined;
  return groups?.flat().every((status) => UNSUCCESSFUL.includes(status)) === true;
}

/** What an index finds, in the order of the list or so few that they can be sorted. */
export function indexedConditions(
  reads: Reads,
  { tenantId, code, name, type, checksum, from, to }: FileFilters,
  statuses: readonly FileStatus[] | undefined,
): (SQL | undefined)[] {
  const isOfFew = [type, checksum].some((filter) => filter !== undefined) || (name !== undefined && name[0] !== '*');
  return [
    tenantId !== null || isOfFew ? ofTenant(reads, files.tenantId, tenantId) : undefined,
    // Spelled out: PostgreSQL then knows that their partial index has all of them.
    statuses && sql.raw(`status IN (${statuses.map((status) => `'${status}'`).join(', ')})`),
    code === undefined || statuses === undefined ? undefined : eq(files.errorCode, code),
    name === undefined || name[0] === '*' ? undefined : nameCondition(name),
    type === undefined ? undefined : eq(files.type, type),
    checksum === undefined ? undefined : eq(files.contentHash, checksum),
    from === undefined ? undefined : sql`${files.createdAt} >= ${from}::timestamptz`,
    to === undefined ? undefined : sql`${files.createdAt} < ${to}::timestamptz`,
  ];
}

/** What is looked at in each row: all that `indexedConditions` with the same `indexed` statuses leaves open. */
export function otherConditions(filters: FileFilters, indexed?: readonly FileStatus[]): (SQL | undefined)[] {
  const { statuses, code, cause, source, path, name, minSize, finishedFrom } = filters;
  return [
    ...(indexed === undefined ? unindexedConditions({ statuses, code }) : []),
    cause === undefined ? undefined : eq(files.errorCause, cause),
    source === undefined ? undefined : eq(files.source, source),
    path === undefined ? undefined : sql`starts_with(${files.key}, ${path})`,
    name === undefined || name[0] !== '*' ? undefined : sql`${files.name} LIKE ${toLikePattern(name)}`,
    minSize === undefined ? undefined : sql`${files.sizeBytes} >= ${minSize}::bigint`,
    finishedFrom === undefined ? undefined : sql`${files.finishedAt} >= ${finishedFrom}::timestamptz`,
  ];
}

function unindexedConditions({ statuses, code }: Pick<FileFilters, 'statuses' | 'code'>): (SQL | undefined)[] {
  return [
    statuses ? sql`${files.status} = ANY(${sql.param([...statuses])}::text[])` : sql`${files.status} <> 'COMPANION'`,
    code === undefined ? undefined : eq(files.errorCode, code),
  ];
}

/** The index of names serves what comes before the first `*`, when that is named as its own range. */
function nameCondition(name: string): SQL | undefined {
  if (!name.includes('*')) return eq(files.name, name);
  return and(sql`${files.name} LIKE ${toLikePattern(name)}`, startsWith(files.name, name.slice(0, name.indexOf('*'))));
}

/** As a range, which an index with `text_pattern_ops` serves. */
export function startsWith(column: typeof files.name, prefix: string): SQL {
  return sql`(${column} ~>=~ ${prefix} AND ${column} ~<=~ ${`${prefix}\u{10ffff}`})`;
}
