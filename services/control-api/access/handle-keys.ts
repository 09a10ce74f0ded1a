/**
 * API keys: made (and shown once), listed without what is secret, rotated, revoked; and who the caller is.
 *
 * Operators manage every key, an administrator of a tenant those of the tenant. Nobody makes a key of another kind than that.
 */
import { z } from 'zod';
import { createApiKey, revokeApiKey, rotateApiKey } from '#shared/access/api-keys.ts';
import {
  actorOf,
  type Caller,
  defaultRole,
  isTenantRole,
  PERMISSIONS,
  permissionsOf,
  ROLES,
} from '#shared/access/permissions.ts';
import { SCOPES } from '#shared/access/scopes.ts';
import { findSessionEnd } from '#shared/access/sessions.ts';
import { and, asc, eq, gt } from '#shared/db/drizzle.ts';
import { apiKeys, tenants } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { shownPortal, shownPortalSchema } from '../definitions/portal-look.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { encodeIdCursor, idCursorField } from '../http/page-cursor.ts';
import { idParams, instantField, limitField, plainTextField, tenantField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { instantOf, instantOrNullOf } from '../records/read-columns.ts';

const roleSchema = z.enum(ROLES);

const scopesSchema = z.array(z.enum(SCOPES));

const keySchema = z.object({
  key_id: z.string(),
  tenant: z.string().nullable().describe('Null for an operator key, which sees every tenant.'),
  label: z.string(),
  role: roleSchema,
  scopes: scopesSchema.nullable().describe('Null: all that the role allows.'),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  last_used_at: z.string().nullable().describe('To the minute.'),
  revoked_at: z.string().nullable(),
});

const keysSchema = z.object({ keys: z.array(keySchema), next_cursor: z.string().nullable() });
export type KeysPage = z.infer<typeof keysSchema>;

const madeSchema = z.object({ key_id: z.string(), key: z.string() });

const bodySchema = z.strictObject({
  tenant: tenantField.nullable().describe('Null creates an operator key.'),
  label: plainTextField(100),
  role: roleSchema.optional().describe('admin for an operator’s key, tenant-admin for a tenant’s, when absent.'),
  scopes: scopesSchema
    .min(1)
    .max(SCOPES.length)
    .optional()
    .describe('Narrow the key to a part of its role; all of it when absent.'),
  expires_at: instantField.optional().describe('In the future; never when absent.'),
});

const DEFAULT_OVERLAP_HOURS = 24;
const MOST_OVERLAP_HOURS = 720;

export function handleKeys(app: ApiServer, { sql, reads }: ApiParts): void {
  app.get(
    '/api/v1/me',
    {
      schema: {
        summary: 'Who the credentials of this request belong to, and what they allow',
        tags: ['access'],
        response: {
          200: z.object({
            actor: z.string().describe('As it is in the audit.'),
            tenant: z.string().nullable(),
            time_zone: z.string().nullable().describe('The tenant’s.'),
            portal: shownPortalSchema.nullable().describe('How the portal looks for the tenant’s people.'),
            role: roleSchema,
            scopes: scopesSchema.nullable().describe('Null: all that the role allows.'),
            permissions: z.array(z.enum(PERMISSIONS)),
            person: z
              .object({ id: z.string(), name: z.string(), email: z.string().nullable() })
              .nullable()
              .describe('Null for a key or a token.'),
            session: z
              .object({
                id: z.string(),
                way: z.enum(['link', 'oidc', 'mail']).describe('How the person signed in.'),
                proved_at: z.string().describe('When the person last proved who it is.'),
                ends_at: z.string().describe('If nothing more is asked in it.'),
              })
              .nullable(),
          }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const { tenantId, role, scopes, session } = caller;
      const endsAt = session && (await findSessionEnd(sql, session.id));
      if (session !== undefined && endsAt === undefined)
        throw new LongshoreError('SESSION_ENDED', 'The session has ended.');
      const [tenant] =
        tenantId === null
          ? []
          : await reads
              .select({ timeZone: tenants.timeZone, portal: tenants.portal })
              .from(tenants)
              .where(eq(tenants.id, tenantId));
      return {
        actor: actorOf(caller),
        tenant: tenantId,
        time_zone: tenant?.timeZone ?? null,
        portal: shownPortal(tenant?.portal ?? null),
        role,
        scopes: scopes === undefined ? null : [...scopes],
        permissions: [...permissionsOf(caller)],
        person: session === undefined ? null : { id: session.personId, name: session.name, email: session.email },
        session:
          session === undefined || endsAt === undefined
            ? null
            : {
                id: session.id,
                way: session.way,
                proved_at: new Date(session.provedAtMs).toISOString(),
                ends_at: endsAt.toISOString(),
              },
      };
    },
  );

  app.get(
    '/api/v1/keys',
    {
      schema: {
        summary: 'API keys, oldest first',
        tags: ['access'],
        querystring: z.strictObject({ cursor: idCursorField.optional(), limit: limitField }),
        response: {
          200: keysSchema,
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const { tenantId } = callerWith(request, 'keys:manage');
      const { cursor, limit } = request.query;
      const rows = await reads
        .select({
          key_id: apiKeys.id,
          tenant: apiKeys.tenantId,
          label: apiKeys.label,
          role: apiKeys.role,
          scopes: apiKeys.scopes,
          created_at: instantOf(apiKeys.createdAt),
          expires_at: instantOrNullOf(apiKeys.expiresAt),
          last_used_at: instantOrNullOf(apiKeys.lastUsedAt),
          revoked_at: instantOrNullOf(apiKeys.revokedAt),
        })
        .from(apiKeys)
        .where(
          and(
            tenantId === null ? undefined : eq(apiKeys.tenantId, tenantId),
            cursor === undefined ? undefined : gt(apiKeys.id, cursor),
          ),
        )
        .orderBy(asc(apiKeys.id))
        .limit(limit + 1);
      const keys = rows.slice(0, limit).map((key) => ({ ...key, role: key.role ?? defaultRole(key.tenant) }));
      const last = rows.length > limit ? keys.at(-1) : undefined;
      return { keys, next_cursor: last === undefined ? null : encodeIdCursor(last.key_id) };
    },
  );

  app.post(
    '/api/v1/keys',
    {
      schema: {
        summary: 'Create an API key; it is shown only once',
        tags: ['access'],
        body: bodySchema,
        response: { 201: madeSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'keys:manage');
      const { tenant, label, role = defaultRole(tenant), scopes, expires_at: expiresAt } = request.body;
      assertMayMake(caller, { tenant, role });
      if (expiresAt !== undefined && Date.parse(expiresAt) <= Date.now())
        throw new LongshoreError('REQUEST_INVALID', 'expires_at: is in the past');
      if (tenant !== null) {
        const [known] = await reads.select({ id: tenants.id }).from(tenants).where(eq(tenants.id, tenant));
        if (known === undefined) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
      }
      const { keyId, key } = await createApiKey(sql, {
        tenantId: tenant,
        label,
        role,
        scopes,
        expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
        actor: actorOf(caller),
      });
      return reply.code(201).send({ key_id: keyId, key });
    },
  );

  app.post(
    '/api/v1/keys/:id/rotate',
    {
      schema: {
        summary: 'Create the successor of an API key; the old key expires after the overlap',
        tags: ['access'],
        params: idParams,
        body: z
          .strictObject({
            overlap_hours: z.number().int().min(0).max(MOST_OVERLAP_HOURS).default(DEFAULT_OVERLAP_HOURS),
          })
          .nullish(),
        response: { 201: madeSchema.extend({ old_key_expires_at: z.string() }), ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'keys:manage');
      const made = await rotateApiKey(sql, {
        keyId: request.params.id,
        tenantId: caller.tenantId,
        overlapHours: request.body?.overlap_hours ?? DEFAULT_OVERLAP_HOURS,
        actor: actorOf(caller),
      });
      if (made === undefined) throw noSuchKey();
      return reply.code(201).send({
        key_id: made.keyId,
        key: made.key,
        old_key_expires_at: made.oldExpiresAt.toISOString(),
      });
    },
  );

  app.post(
    '/api/v1/keys/:id/revoke',
    {
      schema: {
        summary: 'Revoke an API key; it stops working within a minute',
        tags: ['access'],
        params: idParams,
        response: { 200: z.object({ key_id: z.string(), revoked: z.literal(true) }), ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'keys:manage');
      const keyId = request.params.id;
      const wasRevoked = await revokeApiKey(sql, { keyId, tenantId: caller.tenantId, actor: actorOf(caller) });
      if (!wasRevoked) throw noSuchKey();
      return { key_id: keyId, revoked: true as const };
    },
  );
}

/** @throws LongshoreError `FORBIDDEN` for another tenant's key, `REQUEST_INVALID` for a role that does not go with the tenant. */
function assertMayMake(caller: Caller, { tenant, role }: { tenant: string | null; role: Caller['role'] }): void {
  if (caller.tenantId !== null && tenant !== caller.tenantId)
    throw new LongshoreError('FORBIDDEN', 'A tenant makes keys for itself only.');
  if (isTenantRole(role) === (tenant === null))
    throw new LongshoreError(
      'REQUEST_INVALID',
      `role: ${role} is not a role of ${tenant === null ? 'operators' : 'a tenant'}`,
    );
}

function noSuchKey(): LongshoreError {
  return new LongshoreError('NOT_FOUND', 'There is no such key, or it was revoked or has expired.');
}
