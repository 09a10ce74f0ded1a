/** `/api/v1/remotes` and `/api/v1/sources`: servers that files are fetched from, and what is fetched. They are applied as routes are. */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { requestListing } from '#shared/pulls/source-transitions.ts';
import type { RemoteDirectory } from '#shared/remotes/remote-directory.ts';
import { testRemote } from '#shared/remotes/test-remote.ts';
import { definitionCursorField } from '../definitions/list-definitions.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { limitField, tenantField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';

const common = {
  customer_id: z.string(),
  name: z.string(),
  version: z.number(),
  definition: z.unknown().describe('As applied, with defaults. Secrets are shown by name only.'),
  applied_by: z.string(),
  applied_at: z.string(),
};

const remoteSchema = z.object({
  ...common,
  state: z
    .enum(['unknown', 'ok', 'failing', 'blocked'])
    .describe('Blocked: the credentials were refused, and are not tried again for now.'),
  error_code: z.string().nullable(),
  error_at: z.string().nullable(),
  blocked_until: z.string().nullable(),
  connections: z.number().describe('Open now, over the whole fleet.'),
  fingerprint: z.string().nullable().describe('Host key or certificate key that was trusted last.'),
  certificate_ends_at: z.string().nullable(),
});

export type Remote = z.infer<typeof remoteSchema>;

const sourceSchema = z.object({
  ...common,
  listed_at: z.string().nullable(),
  listed_files: z.number().nullable(),
  next_listing_at: z.string().nullable().describe('Null: on request only.'),
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
});

export type Source = z.infer<typeof sourceSchema>;

const testSchema = z.object({
  ok: z.boolean(),
  identity: z
    .object({
      fingerprint: z
        .string()
        .describe('SHA256: and the host key, or sha256/ and the key of the certificate, as they are pinned.'),
      trusted: z.boolean().describe('Nothing is trusted by a test: the definition says what is.'),
      certificate_ends_at: z.string().nullable(),
    })
    .nullable()
    .describe('What the server shows of itself. Null: it was not reached, or a connection that was open served.'),
  places: z.array(
    z.object({
      path: z.string(),
      entries: z.array(z.object({ name: z.string(), size_bytes: z.number().nullable() })),
      has_more: z.boolean(),
    }),
  ),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});

export type RemoteTest = z.infer<typeof testSchema>;

const nameParams = z.strictObject({ tenant: tenantField, name: z.string().max(63) });
const querystring = z.strictObject({
  tenant: tenantField.optional(),
  cursor: definitionCursorField.optional(),
  limit: limitField,
});
type Query = z.output<typeof querystring>;

const TEST_MS = 15_000;

export function handleRemotes(server: ApiServer, { sql }: ApiParts, remotes: Pick<RemoteDirectory, 'use'>): void {
  server.get(
    '/api/v1/remotes',
    {
      schema: {
        summary: 'Remotes with their current definitions and how connections to them go',
        tags: ['pulls'],
        querystring,
        response: {
          200: z.object({ remotes: z.array(remoteSchema), next_cursor: z.string().nullable() }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const tenantId = scopeOf(callerOf(request), request.query.tenant);
      if (tenantId === undefined) return { remotes: [], next_cursor: null };
      const { rows, next_cursor } = pageOf(await findRemotes(sql, tenantId, request.query), request.query.limit);
      return { remotes: rows, next_cursor };
    },
  );

  server.get(
    '/api/v1/sources',
    {
      schema: {
        summary: 'Sources with their current definitions and when they are listed',
        tags: ['pulls'],
        querystring,
        response: {
          200: z.object({ sources: z.array(sourceSchema), next_cursor: z.string().nullable() }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const tenantId = scopeOf(callerOf(request), request.query.tenant);
      if (tenantId === undefined) return { sources: [], next_cursor: null };
      const { rows, next_cursor } = pageOf(await findSources(sql, tenantId, request.query), request.query.limit);
      return { sources: rows, next_cursor };
    },
  );

  server.post(
    '/api/v1/remotes/:tenant/:name/test',
    {
      schema: {
        summary: 'Connect to a remote and list its places. Credentials are tried once',
        tags: ['pulls'],
        params: nameParams,
        response: { 200: testSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'pulls:change');
      const { tenant, name } = request.params;
      if (scopeOf(caller, tenant) === undefined) throw new LongshoreError('REMOTE_NOT_FOUND', 'Remote not found');
      const tested = await testRemote(remotes, { tenantId: tenant, name }, AbortSignal.timeout(TEST_MS));
      if (tested.error?.code === 'REMOTE_UNKNOWN') throw new LongshoreError('REMOTE_NOT_FOUND', 'Remote not found');
      const { ok, identity, places, error } = tested;
      return {
        ok,
        identity:
          identity === undefined
            ? null
            : {
                fingerprint: identity.fingerprint,
                trusted: identity.isTrusted,
                certificate_ends_at: identity.certificateEndsAt ?? null,
              },
        places: places.map(({ path, entries, hasMore }) => ({
          path,
          entries: entries.map((entry) => ({ name: entry.name, size_bytes: entry.sizeBytes ?? null })),
          has_more: hasMore,
        })),
        error: error ?? null,
      };
    },
  );

  server.post(
    '/api/v1/sources/:tenant/:name/list',
    {
      schema: {
        summary: 'List a source now',
        tags: ['pulls'],
        params: nameParams,
        response: { 202: z.object({ due: z.literal(true) }), ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'pulls:change');
      const { tenant, name } = request.params;
      const isKnown = scopeOf(caller, tenant) !== undefined && (await requestListing(sql, { tenantId: tenant, name }));
      if (!isKnown) throw new LongshoreError('SOURCE_NOT_FOUND', 'Source not found');
      return await reply.code(202).send({ due: true });
    },
  );
}

type Row = { readonly customer_id: string; readonly name: string };

function pageOf<Shown extends Row>(found: readonly Shown[], limit: number) {
  const rows = found.slice(0, limit);
  const last = found.length > limit ? rows.at(-1) : undefined;
  return { rows, next_cursor: last === undefined ? null : `${last.customer_id}/${last.name}` };
}

function page(sql: Sql, tenantId: string | null, { cursor, limit }: Query) {
  return sql`
    WHERE d.removed_at IS NULL AND (${tenantId}::text IS NULL OR d.tenant_id = ${tenantId})
      AND (${cursor === undefined} OR (d.tenant_id, d.name) > (${cursor?.tenantId ?? ''}, ${cursor?.name ?? ''}))
    ORDER BY d.tenant_id, d.name LIMIT ${limit + 1}`;
}

async function findRemotes(sql: Sql, tenantId: string | null, query: Query): Promise<Remote[]> {
  return await sql<Remote[]>`
    SELECT d.tenant_id AS customer_id, d.name, d.version, d.definition, d.created_by AS applied_by,
      to_json(d.updated_at) #>> '{}' AS applied_at,
      CASE WHEN d.breaker_until > now() THEN 'blocked' WHEN d.error_code IS NOT NULL THEN 'failing'
        WHEN d.connected_at IS NOT NULL THEN 'ok' ELSE 'unknown' END AS state,
      d.error_code, to_json(d.error_at) #>> '{}' AS error_at,
      CASE WHEN d.breaker_until > now() THEN to_json(d.breaker_until) #>> '{}' END AS blocked_until,
      (SELECT count(*)::int FROM remote_connections c WHERE c.tenant_id = d.tenant_id AND c.remote = d.name AND c.lease_until > now()) AS connections,
      d.fingerprint, to_json(d.certificate_ends_at) #>> '{}' AS certificate_ends_at
    FROM remotes d ${page(sql, tenantId, query)}`;
}

async function findSources(sql: Sql, tenantId: string | null, query: Query): Promise<Source[]> {
  return await sql<Source[]>`
    SELECT d.tenant_id AS customer_id, d.name, d.version, d.definition, d.created_by AS applied_by,
      to_json(d.updated_at) #>> '{}' AS applied_at, to_json(d.listed_at) #>> '{}' AS listed_at, d.listed_files,
      to_json(d.next_action_at) #>> '{}' AS next_listing_at, d.error_code, d.error_message
    FROM sources d ${page(sql, tenantId, query)}`;
}
