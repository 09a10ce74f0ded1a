/**
 * People and their sessions: invited, given another role, taken out of use; and where somebody is signed in.
 *
 * Operators manage everybody, an administrator of a tenant the people of the tenant; each person sees and ends its own sessions.
 */
import { z } from 'zod';
import { changeRole, endSessions, invitePerson, setPersonDisabled } from '#shared/access/people.ts';
import { actorOf, type Caller, isTenantRole, may, ROLES } from '#shared/access/permissions.ts';
import { and, asc, desc, eq, gt, isNull, lt, sql as raw } from '#shared/db/drizzle.ts';
import { people, sessions } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { encodeIdCursor, idCursorField } from '../http/page-cursor.ts';
import {
  idField,
  idParams,
  limitField,
  plainTextField,
  reasonBodySchema,
  tenantField,
} from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { instantOf, instantOrNullOf } from '../records/read-columns.ts';
import type { SignInSettings } from '../sign-in/sign-in-settings.ts';

const roleSchema = z.enum(ROLES);

const personSchema = z.object({
  person_id: z.string(),
  tenant: z.string().nullable().describe('Null for an operator.'),
  email: z.string().nullable(),
  name: z.string(),
  role: roleSchema,
  signs_in: z.enum(['mail', 'oidc', 'link']).describe('By mail, at a provider, or by a one-time link of a key.'),
  sessions: z.number().describe('Open ones.'),
  created_at: z.string(),
  last_signed_in_at: z.string().nullable(),
  disabled_at: z.string().nullable(),
});

const sessionSchema = z.object({
  session_id: z.string(),
  person_id: z.string(),
  person: z.string().describe('Address or name.'),
  tenant: z.string().nullable(),
  role: roleSchema,
  way: z.enum(['link', 'oidc', 'mail']),
  address: z.string(),
  user_agent: z.string(),
  created_at: z.string(),
  last_seen_at: z.string().describe('To the minute.'),
  ends_at: z.string().describe('If nothing more is asked in it.'),
  is_current: z.boolean().describe('Whether it is that of this request.'),
});

const invitationSchema = z.strictObject({
  tenant: tenantField,
  email: z.email('is not an e-mail address').max(254).toLowerCase(),
  name: plainTextField(100),
  role: roleSchema,
});

const invitedSchema = z.object({
  person_id: z.string(),
  sign_in_url: z
    .string()
    .nullable()
    .describe(
      'Where the person asks for a link. The invitation itself sends no mail. Null: `LONGSHORE_PORTAL_ORIGIN` is not set.',
    ),
});
export type Invited = z.infer<typeof invitedSchema>;

const peopleSchema = z.object({ people: z.array(personSchema), next_cursor: z.string().nullable() });
export type PeoplePage = z.infer<typeof peopleSchema>;

const changedSchema = z.object({ person_id: z.string(), changed: z.boolean().describe('False if it was so before.') });
const endedSchema = z.object({ ended: z.number().describe('How many sessions ended; within 15 s in all processes.') });

export interface PeopleParts extends Pick<ApiParts, 'sql' | 'reads'> {
  readonly signIn: Pick<SignInSettings, 'portalOrigin'>;
}

export function handlePeople(app: ApiServer, { sql, reads, signIn }: PeopleParts): void {
  const isOpen = raw`${sessions.endedAt} IS NULL AND ${sessions.expiresAt} > now()
    AND ${sessions.lastSeenAt} + ${sessions.idleSeconds} * interval '1 second' > now()`;

  async function findPerson(caller: Caller, id: string) {
    const [person] = await reads
      .select({ id: people.id, tenant: people.tenantId, issuer: people.issuer })
      .from(people)
      .where(and(eq(people.id, id), caller.tenantId === null ? undefined : eq(people.tenantId, caller.tenantId)));
    if (person === undefined) throw new LongshoreError('NOT_FOUND', 'There is no such person.');
    return person;
  }

  app.get(
    '/api/v1/people',
    {
      schema: {
        summary: 'People who may sign in, oldest first',
        tags: ['access'],
        querystring: z.strictObject({
          tenant: tenantField.optional(),
          cursor: idCursorField.optional(),
          limit: limitField,
        }),
        response: {
          200: peopleSchema,
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const { tenant, cursor, limit } = request.query;
      const scope = scopeOf(callerWith(request, 'people:manage'), tenant);
      if (scope === undefined) return { people: [], next_cursor: null };
      const rows = await reads
        .select({
          person_id: people.id,
          tenant: people.tenantId,
          email: people.email,
          name: people.name,
          role: people.role,
          signs_in: raw<'mail' | 'oidc' | 'link'>`CASE WHEN ${people.issuer} IS NULL THEN 'mail'
            WHEN ${people.issuer} = 'key' THEN 'link' ELSE 'oidc' END`,
          sessions:
            raw<number>`(SELECT count(*) FROM ${sessions} WHERE ${sessions.personId} = "people"."id" AND ${isOpen})`.mapWith(
              Number,
            ),
          created_at: instantOf(people.createdAt),
          last_signed_in_at: instantOrNullOf(people.lastSignedInAt),
          disabled_at: instantOrNullOf(people.disabledAt),
        })
        .from(people)
        .where(
          and(
            scope === null ? undefined : eq(people.tenantId, scope),
            cursor === undefined ? undefined : gt(people.id, cursor),
          ),
        )
        .orderBy(asc(people.id))
        .limit(limit + 1);
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return { people: page, next_cursor: last === undefined ? null : encodeIdCursor(last.person_id) };
    },
  );

  app.post(
    '/api/v1/people',
    {
      schema: {
        summary:
          'Invite a person of a tenant, who then signs in by mail. Tenants with an identity provider sign in there instead',
        tags: ['access'],
        body: invitationSchema,
        response: { 201: invitedSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'people:manage');
      const { tenant, email, name, role } = request.body;
      if (caller.tenantId !== null && tenant !== caller.tenantId)
        throw new LongshoreError('FORBIDDEN', 'A tenant invites people for itself only.');
      assertRoleOf(role, tenant);
      const [found] = await sql<{ issuer: string | null }[]>`
        SELECT sign_in -> 'oidc' ->> 'issuer' AS issuer FROM tenants WHERE id = ${tenant} AND disabled_at IS NULL`;
      if (found === undefined) throw new LongshoreError('NOT_FOUND', 'There is no such tenant, or it is disabled.');
      if (found.issuer !== null)
        throw new LongshoreError(
          'PERSON_ROLE_ELSEWHERE',
          `The people of ${tenant} sign in at ${found.issuer}, which decides who they are and what they may do.`,
        );
      const id = await invitePerson(sql, { tenantId: tenant, email, name, role, actor: actorOf(caller) });
      if (id === undefined) throw new LongshoreError('PERSON_EXISTS', `${email} is a person of ${tenant} already.`);
      const { portalOrigin } = signIn;
      const signInUrl = portalOrigin === undefined ? null : new URL('/portal/sign-in', portalOrigin).href;
      return await reply.code(201).send({ person_id: id, sign_in_url: signInUrl });
    },
  );

  app.post(
    '/api/v1/people/:id/role',
    {
      schema: {
        summary: 'Give an invited person another role; open sessions end',
        tags: ['access'],
        params: idParams,
        body: z.strictObject({ role: roleSchema }),
        response: { 200: changedSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'people:manage');
      const person = await findPerson(caller, request.params.id);
      const { role } = request.body;
      assertRoleOf(role, person.tenant);
      if (person.issuer !== null)
        throw new LongshoreError(
          'PERSON_ROLE_ELSEWHERE',
          `The role of this person comes from ${person.issuer === 'key' ? 'the key of its link' : person.issuer}.`,
        );
      const result = await changeRole(sql, { ...wordOn(caller, person.id), role });
      return { person_id: person.id, changed: result === 'changed' };
    },
  );

  for (const verb of ['disable', 'enable'] as const)
    app.post(
      `/api/v1/people/:id/${verb}`,
      {
        schema: {
          summary:
            verb === 'disable'
              ? 'Disable a person; open sessions end within 15 s'
              : 'Let a disabled person sign in again',
          tags: ['access'],
          params: idParams,
          body: reasonBodySchema,
          response: { 200: changedSchema, ...errorReplies },
        },
      },
      async (request) => {
        const caller = callerWith(request, 'people:manage');
        const person = await findPerson(caller, request.params.id);
        const isDisabled = verb === 'disable';
        const { reason } = request.body;
        const result = await setPersonDisabled(sql, { ...wordOn(caller, person.id), isDisabled, reason });
        return { person_id: person.id, changed: result === 'changed' };
      },
    );

  app.post(
    '/api/v1/people/:id/end-sessions',
    {
      schema: {
        summary: 'End every session of a person',
        tags: ['access'],
        params: idParams,
        body: reasonBodySchema,
        response: { 200: endedSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'people:manage');
      const person = await findPerson(caller, request.params.id);
      const { reason } = request.body;
      return { ended: await endSessions(sql, { ...wordOn(caller, person.id), sessionId: null, reason }) };
    },
  );

  app.get(
    '/api/v1/sessions',
    {
      schema: {
        summary: 'Open sessions, newest first: of this person, or of all that the caller manages',
        tags: ['access'],
        querystring: z.strictObject({
          person: idField.optional(),
          cursor: idCursorField.optional(),
          limit: limitField,
        }),
        response: {
          200: z.object({ sessions: z.array(sessionSchema), next_cursor: z.string().nullable() }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const { person, cursor, limit } = request.query;
      const own = ownPersonOf(caller);
      if (own === undefined)
        throw new LongshoreError('SESSION_REQUIRED', 'A key or token without people:manage has no sessions.');
      const rows = await reads
        .select({
          session_id: sessions.id,
          person_id: people.id,
          person: raw<string>`coalesce(${people.email}, ${people.name})`,
          tenant: people.tenantId,
          role: sessions.role,
          way: sessions.way,
          address: sessions.address,
          user_agent: sessions.userAgent,
          created_at: instantOf(sessions.createdAt),
          last_seen_at: instantOf(sessions.lastSeenAt),
          ends_at: instantOf(
            raw`least(${sessions.expiresAt}, ${sessions.lastSeenAt} + ${sessions.idleSeconds} * interval '1 second')`,
          ),
        })
        .from(sessions)
        .innerJoin(people, eq(people.id, sessions.personId))
        .where(
          and(
            isOpen,
            isNull(people.disabledAt),
            own === null ? undefined : eq(people.id, own),
            person === undefined ? undefined : eq(people.id, person),
            caller.tenantId === null ? undefined : eq(people.tenantId, caller.tenantId),
            cursor === undefined ? undefined : lt(sessions.id, cursor),
          ),
        )
        .orderBy(desc(sessions.id))
        .limit(limit + 1);
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        sessions: page.map((row) => ({ ...row, is_current: row.session_id === caller.session?.id })),
        next_cursor: last === undefined ? null : encodeIdCursor(last.session_id),
      };
    },
  );

  app.post(
    '/api/v1/sessions/:id/end',
    {
      schema: {
        summary: 'End a session: one’s own, or one of a person that the caller manages',
        tags: ['access'],
        params: idParams,
        body: reasonBodySchema,
        response: { 200: endedSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const own = ownPersonOf(caller);
      const { reason } = request.body;
      const session = { sessionId: request.params.id, tenantId: caller.tenantId, reason, actor: actorOf(caller) };
      const ended = own === undefined ? 0 : await endSessions(sql, { ...session, personId: own });
      if (ended === 0) throw new LongshoreError('NOT_FOUND', 'There is no such session, or it has ended.');
      return { ended };
    },
  );
}

/** Whose sessions the caller sees: null is everybody's in its reach, undefined nobody's. */
function ownPersonOf(caller: Caller): string | null | undefined {
  return may(caller, 'people:manage') ? null : caller.session?.personId;
}

function wordOn(caller: Caller, personId: string) {
  return { personId, tenantId: caller.tenantId, actor: actorOf(caller) };
}

/** @throws LongshoreError `REQUEST_INVALID` */
function assertRoleOf(role: (typeof ROLES)[number], tenant: string | null): void {
  if (isTenantRole(role) === (tenant !== null)) return;
  throw new LongshoreError(
    'REQUEST_INVALID',
    `role: ${role} is not a role of ${tenant === null ? 'operators' : 'a tenant'}`,
  );
}
