/**
 * `POST /api/v1/routes/simulate`: what would become of files, by the routes in force and by those that are proposed.
 *
 * 1. Nothing is stored or sent. Read are rows of files and definitions, and the beginning and the tags of objects where a route asks for
 *    them, of at most 100 files; of further ones the answer says that they were not read.
 * 2. At most 1,000 files; between them others get their turn, and a caller that is gone ends it.
 */
import { setImmediate } from 'node:timers/promises';
import pLimit from 'p-limit';
import { z } from 'zod';
import { readMatchFacts } from '#shared/arrival/read-match-facts.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { objectOf, type RoutingInput } from '#shared/definitions/load-routing-input.ts';
import { regionSchema } from '#shared/definitions/name-schemas.ts';
import { MATCHED_SOURCES } from '#shared/definitions/routes/match-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { fileToMatch } from '#shared/jobs/decide-routing.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import type {} from '../http/bound-answers.ts';
import { idField, instantField, tenantField, textField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { createRuleSetLoader, type RuleSets } from './load-rule-sets.ts';
import type { PostedDefinitions } from './posted-definitions.ts';
import { filesSchema } from './read-definitions.ts';
import {
  type FileToSimulate,
  routable,
  routeAnswerSchema,
  type Simulated,
  type SimulationLimits,
  simulateFile,
} from './simulate-file.ts';

const MOST_FILES = 1_000;
const FILES_AT_ONCE = 20;
/** Of which objects are looked into. */
const MOST_READ = 100;
const READ_AT_ONCE = 8;
const READ_TIMEOUT_MS = 10_000;
/** Of definitions in the body. */
const LARGEST_DOCUMENTS = 1_000_000;

const bodySchema = z
  .strictObject({
    documents: z
      .union([z.string().max(LARGEST_DOCUMENTS), filesSchema.shape.files])
      .optional()
      .describe('Route files that are proposed, as YAML or as a list of files with `name` and `text`.'),
    file: z
      .strictObject({
        tenant: tenantField,
        path: textField(1_024).describe('In the home of the tenant, such as `inbound/orders/week-49.csv`.'),
        size_bytes: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
        received_at: instantField.optional().describe('Now when absent; names with dates use it.'),
        source: z.enum(MATCHED_SOURCES).default('sftp').describe('How it came.'),
        region: regionSchema.optional().describe('Where it arrives, for `match.region`; this fleet’s when absent.'),
        user: textField(256).optional().describe('Who sent it, as `match.user` compares it.'),
        metadata: z.record(z.string(), z.string()).default({}).describe('Of the object, for `match.metadata`.'),
        tags: z.record(z.string(), z.string()).optional().describe('Of the object, for `match.tags`.'),
        type: textField(16).optional().describe('What its content is, for `match.type`, such as `pdf`.'),
        first_line: textField(2_000).optional().describe('Of its text, for `match.header`.'),
      })
      .optional(),
    file_ids: z.array(idField).min(1).max(MOST_FILES).optional(),
    sample: z
      .strictObject({ tenant: tenantField, last: z.int().min(1).max(MOST_FILES).default(MOST_FILES) })
      .optional()
      .describe('The files of the tenant that arrived last.'),
  })
  .refine(({ file, file_ids: ids, sample }) => [file, ids, sample].filter((part) => part !== undefined).length === 1, {
    error: 'must have exactly one of file, file_ids and sample',
  });
type Body = z.output<typeof bodySchema>;

const CHANGES = ['same', 'steps', 'other', 'new', 'none'] as const;
type ChangeOf = (typeof CHANGES)[number];

const decisionSchema = z
  .object({
    file: z.object({ file_id: z.string().nullable(), tenant: z.string(), path: z.string(), size_bytes: z.number() }),
    outcome: z.enum(['routed', 'companion', 'elsewhere', 'quarantined', 'ignored']),
    error: z.object({ code: z.string(), cause: z.string(), message: z.string() }).nullable(),
    is_large: z.boolean(),
    routes: z
      .array(routeAnswerSchema)
      .describe('Of one file all routes, with the reason; of several those that take it.'),
    changes: z
      .enum(CHANGES)
      .describe(
        'Against the routes in force: `steps`: the same routes do something else; `other`: other routes; `new`: no route took it before;' +
          ' `none`: no route takes it any more.',
      ),
    present: z.array(z.string()).describe('Routes in force that take it.'),
  })
  .meta({ id: 'Simulation' });

const replySchema = z.object({
  decisions: z.array(decisionSchema),
  summary: z.object({
    files: z.number(),
    quarantined: z.number(),
    ...(Object.fromEntries(CHANGES.map((change) => [change, z.number()])) as Record<ChangeOf, z.ZodNumber>),
  }),
});

export type Simulation = z.infer<typeof replySchema>;

export interface SimulateParts extends ApiParts, SimulationLimits {
  readonly landing: { readonly store: Pick<ObjectStore, 'readRange' | 'tags'> };
  readonly now?: (() => number) | undefined;
}

export function handleSimulate(app: ApiServer, parts: SimulateParts, posted: PostedDefinitions): void {
  const { sql, now = Date.now } = parts;
  const load = createRuleSetLoader(sql);

  app.post(
    '/api/v1/routes/simulate',
    {
      schema: {
        summary: 'Compare what current and proposed routes would do with given files',
        tags: ['routes'],
        body: bodySchema,
        response: { 200: replySchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const { tenantId } = callerOf(request);
      const { documents: proposed, file } = request.body;
      const documents = proposed === undefined ? [] : await posted.parse(proposed, request, reply);
      const files = await filesOf(sql, request.body, { tenantId, now: now(), region: parts.region });
      const rules = new Map<string, RuleSets>();
      for (const id of new Set(files.map((each) => each.tenantId))) {
        const found = tenantId === null || tenantId === id ? await load(id, documents) : undefined;
        if (found === undefined) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
        rules.set(id, found);
      }
      const decisions: z.infer<typeof decisionSchema>[] = [];
      const known = await readFactsOf(files, rules, parts.landing.store, request.ended);
      for (const [index, each] of known.entries()) {
        if (index % FILES_AT_ONCE === FILES_AT_ONCE - 1) await setImmediate();
        request.ended.throwIfAborted();
        const decision = decide(each, rules.get(each.tenantId) as RuleSets, parts);
        decisions.push(
          file === undefined ? { ...decision, routes: decision.routes.filter(({ takes }) => takes) } : decision,
        );
      }
      return { decisions, summary: summarise(decisions) };
    },
  );
}

interface Asking {
  /** Null: an operator. */
  readonly tenantId: string | null;
  readonly now: number;
  readonly region: string;
}

/** `object`: where its bytes are; of a file that is made up, nowhere. */
type KnownFile = FileToSimulate & { readonly object?: RoutingInput['object'] };

async function filesOf(
  sql: Sql,
  { file, file_ids: ids, sample }: Body,
  { tenantId, now, region: here }: Asking,
): Promise<readonly KnownFile[]> {
  if (file !== undefined) {
    const key = `${file.tenant}/${file.path.replace(/^\//, '')}`;
    const receivedAt = new Date(file.received_at ?? now);
    const {
      size_bytes: sizeBytes,
      tenant: ofTenant,
      source,
      user: uploadedBy = null,
      metadata,
      tags,
      region = here,
    } = file;
    return [
      {
        ...{ fileId: null, tenantId: ofTenant, key, sizeBytes, receivedAt, isDuplicate: false, isRenamed: false },
        ...{ source, uploadedBy, metadata, tags, region, content: contentOf(file) },
      },
    ];
  }
  const isSeen = sql`(${tenantId}::text IS NULL OR f.tenant_id = ${tenantId})`;
  const chosen =
    sample === undefined
      ? sql`f.id = ANY(${ids ?? []}::uuid[])`
      : sql`f.tenant_id = ${sample.tenant} AND f.status <> 'COMPANION' ORDER BY f.created_at DESC, f.id DESC LIMIT ${sample.last}`;
  const rows = await sql<(KnownFile & { readonly fileId: string })[]>`
    SELECT f.id AS "fileId", f.tenant_id AS "tenantId", f.key, f.size_bytes::float8 AS "sizeBytes", f.uploaded_at AS "receivedAt",
      f.source, f.uploaded_by AS "uploadedBy", coalesce(f.head -> 'metadata', '{}') AS metadata, ${objectOf(sql)} AS object,
      f.duplicate_of IS NOT NULL AS "isDuplicate", f.duplicate_of IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM files d WHERE d.id = f.duplicate_of AND d.bucket = f.bucket AND d.key = f.key) AS "isRenamed"
    FROM files f WHERE ${isSeen} AND ${chosen}`;
  if (ids !== undefined && rows.length < new Set(ids).size) throw new LongshoreError('NOT_FOUND', 'File not found');
  return rows.map((row) => ({ ...row, region: here }));
}

/** Where nothing is said of the content, it is not known. */
function contentOf({ path, type, first_line: firstLine }: NonNullable<Body['file']>): FileToSimulate['content'] {
  if (type === undefined && firstLine === undefined) return undefined;
  return { type: type ?? path.slice(path.lastIndexOf('.') + 1).toLowerCase(), firstLine: firstLine ?? null };
}

/** With what a route in force, or a proposed one, asks of an object; what the store does not give stays unread. */
async function readFactsOf(
  files: readonly KnownFile[],
  rules: ReadonlyMap<string, RuleSets>,
  store: SimulateParts['landing']['store'],
  ended: AbortSignal,
): Promise<readonly FileToSimulate[]> {
  const reading = pLimit(READ_AT_ONCE);
  const signal = AbortSignal.any([ended, AbortSignal.timeout(READ_TIMEOUT_MS)]);
  let left = MOST_READ;

  async function readFacts(file: KnownFile): Promise<FileToSimulate> {
    const sets = rules.get(file.tenantId);
    if (file.object === undefined || sets === undefined || left === 0) return file;
    const routes = [...new Set([...sets.present.routes, ...sets.proposed.routes].map(({ route }) => route))].filter(
      ({ readsObject }) => readsObject,
    );
    if (routes.length === 0) return file;
    const toMatch = fileToMatch(routable(file, sets.proposed.tenant));
    if (!routes.some((route) => route.refuses(toMatch)?.endsWith('unread'))) return file;
    left -= 1;
    const { object } = file;
    const facts = await reading(() => readMatchFacts(store, { file: toMatch, object, routes }, { signal })).catch(
      () => undefined,
    );
    return { ...file, ...facts };
  }

  const known: FileToSimulate[] = [];
  for (let from = 0; from < files.length; from += FILES_AT_ONCE) {
    known.push(...(await Promise.all(files.slice(from, from + FILES_AT_ONCE).map(readFacts))));
    await setImmediate();
  }
  return known;
}

function decide(file: FileToSimulate, { present, proposed }: RuleSets, limits: SimulationLimits) {
  const would = simulateFile(file, proposed, limits);
  const does = proposed === present ? would : simulateFile(file, present, limits);
  return {
    file: {
      file_id: file.fileId,
      tenant: file.tenantId,
      path: file.key.slice(file.tenantId.length + 1),
      size_bytes: file.sizeBytes,
    },
    outcome: would.outcome,
    error: would.error,
    is_large: would.isLarge,
    routes: [...would.routes],
    changes: compare(does, would),
    present: takers(does).map(({ route }) => route),
  };
}

function compare(does: Simulated, would: Simulated): ChangeOf {
  const [before, after] = [takers(does), takers(would)];
  if (after.length === 0) return before.length === 0 ? 'same' : 'none';
  if (before.length === 0) return 'new';
  const namesOf = (routes: Simulated['routes']) => routes.map(({ route }) => route).join('\n');
  if (namesOf(before) !== namesOf(after)) return 'other';
  const doingOf = (routes: Simulated['routes']) =>
    JSON.stringify(routes.map(({ version: _version, because: _because, ...doing }) => doing));
  return doingOf(before) === doingOf(after) ? 'same' : 'steps';
}

function takers({ routes }: Simulated) {
  return routes.filter(({ takes }) => takes);
}

function summarise(decisions: readonly z.infer<typeof decisionSchema>[]) {
  const count = (change: ChangeOf) => decisions.filter(({ changes }) => changes === change).length;
  return {
    files: decisions.length,
    quarantined: decisions.filter(({ outcome }) => outcome === 'quarantined').length,
    ...(Object.fromEntries(CHANGES.map((change) => [change, count(change)])) as Record<ChangeOf, number>),
  };
}
