/**
 * One route, partner or store: its text and versions, what differs between them, a change under a condition, and an earlier version brought back.
 *
 * 1. `ETag` says what was read; a change with `If-Match` is refused with 412 and the other's change when it is no longer so. Of two such
 *    changes from one state, one is made.
 * 2. To bring a version back is to apply its text: what it calls has to exist, and it becomes the next version.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { faultAt, type ParsedDocument } from '#shared/definitions/parse-route-files.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { versionCursorField } from '../http/page-cursor.ts';
import {
  flagField,
  limitField,
  reasonBodySchema,
  reasonField,
  tenantField,
  textField,
} from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { SUPPORT_HEADER } from '../http/support-view.ts';
import { appliedSchema, applyRouteFiles } from './apply-route-files.ts';
import { compareTexts } from './compare-texts.ts';
import { routeDetailSchema } from './find-routes.ts';
import {
  findPresent,
  findVersion,
  findVersions,
  type PresentDefinition,
  type VersionedKind,
  versionPageSchema,
  versionSchema,
} from './find-versions.ts';
import { type Condition, conditionOf, isMet, type Tagged, tagOf } from './match-revision.ts';
import { faulty, type PostedDefinitions, takeDefinitions } from './posted-definitions.ts';

const nameParams = z.object({ tenant: tenantField, name: textField(128) });
const versionField = z.coerce.number().int().min(1).max(2_147_483_647);
const versionParams = nameParams.extend({ version: versionField });

const diffSchema = z
  .object({
    from: z.number(),
    to: z.number(),
    diff: z.string().describe('Unified diff of the texts; empty if they are the same.'),
  })
  .meta({ id: 'DefinitionDiff' });

export type DefinitionDiff = z.infer<typeof diffSchema>;

const detailSchema = versionSchema
  .extend({
    customer_id: z.string(),
    name: z.string(),
    removed_at: z.string().nullable().describe('When `apply --prune` removed it.'),
  })
  .meta({ id: 'DefinitionDetail' });

const KINDS = {
  route: { plural: 'routes', title: 'Route', detail: routeDetailSchema },
  partner: { plural: 'partners', title: 'Partner', detail: detailSchema },
  store: { plural: 'stores', title: 'Store', detail: detailSchema },
  database: { plural: 'databases', title: 'Database', detail: detailSchema },
  remote: { plural: 'remotes', title: 'Remote', detail: detailSchema },
  source: { plural: 'sources', title: 'Source', detail: detailSchema },
  calendar: { plural: 'calendars', title: 'Calendar', detail: detailSchema },
  expectation: { plural: 'expectations', title: 'Expectation', detail: detailSchema },
  sender: { plural: 'senders', title: 'Sender', detail: detailSchema },
} as const;

export const VERSIONED_PLURALS = Object.values(KINDS).map(({ plural }) => plural);

/** In the list of one route. */
const VERSIONS_SHOWN = 200;

export async function handleVersions(app: ApiServer, parts: ApiParts, posted: PostedDefinitions): Promise<void> {
  for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[]) await handleKind(app, parts, posted, kind);
}

async function handleKind(
  app: ApiServer,
  parts: ApiParts,
  posted: PostedDefinitions,
  kind: VersionedKind,
): Promise<void> {
  const { plural, title, detail } = KINDS[kind];
  const { sql } = parts;
  const path = `/api/v1/${plural}/:tenant/:name`;
  const called = title.toLowerCase();

  /** To a tenant's key what is another's does not exist. */
  async function presentOf(request: FastifyRequest): Promise<PresentDefinition> {
    const { tenant, name } = request.params as z.output<typeof nameParams>;
    const { tenantId } = callerOf(request);
    const found = tenantId === null || tenantId === tenant ? await findPresent(sql, { kind, tenant, name }) : undefined;
    if (found === undefined) throw new LongshoreError('NOT_FOUND', `${title} not found`);
    return found;
  }

  async function versionOf({ tenant, name }: PresentDefinition, version: number) {
    const found = await findVersion(sql, { kind, tenant, name }, version);
    if (found === undefined) throw new LongshoreError('NOT_FOUND', `The ${called} has no version ${version}.`);
    return found;
  }

  app.get(
    path,
    {
      schema: {
        summary: `One ${called}: its text, its definition and, in the header \`ETag\`, its state`,
        tags: ['routes'],
        params: nameParams,
        response: { 200: detail, ...errorReplies },
      },
    },
    async (request, reply) => {
      const present = await presentOf(request);
      const tag = tagOf(present);
      reply
        .header('etag', tag)
        .header('cache-control', 'private, no-cache')
        .header('vary', `x-api-key, authorization, cookie, ${SUPPORT_HEADER}`);
      if (request.headers['if-none-match']?.split(',').some((part) => part.trim().replace(/^W\//, '') === tag))
        return reply.code(304).send(undefined as never);
      const { id, tenant, revision: _revision, disabledAt, removedAt, ...shown } = present;
      const common = { ...shown, customer_id: tenant, removed_at: removedAt };
      if (id === null) return common;
      const { versions } = await findVersions(sql, present, kind, { before: undefined, limit: VERSIONS_SHOWN });
      return { ...common, route_id: id, disabled_at: disabledAt, versions };
    },
  );

  app.get(
    `${path}/versions`,
    {
      schema: {
        summary: `Versions of ${called === 'expectation' ? 'an' : 'a'} ${called}, newest first`,
        tags: ['routes'],
        params: nameParams,
        querystring: z.strictObject({ cursor: versionCursorField.optional(), limit: limitField }),
        response: { 200: versionPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { cursor: before, limit } = request.query;
      return await findVersions(sql, await presentOf(request), kind, { before, limit });
    },
  );

  app.get(
    `${path}/versions/:version`,
    {
      schema: {
        summary: `One version of a ${called}`,
        tags: ['routes'],
        params: versionParams,
        response: { 200: versionSchema, ...errorReplies },
      },
    },
    async (request) => await versionOf(await presentOf(request), request.params.version),
  );

  app.get(
    `${path}/diff`,
    {
      schema: {
        summary: `What differs between two versions of a ${called}`,
        tags: ['routes'],
        params: nameParams,
        querystring: z.strictObject({
          from: versionField.optional().describe('The version before `to` when absent.'),
          to: versionField.optional().describe('The version in force when absent.'),
        }),
        response: { 200: diffSchema, ...errorReplies },
      },
    },
    async (request) => {
      const present = await presentOf(request);
      const to = request.query.to ?? present.version;
      const from = request.query.from ?? Math.max(1, to - 1);
      return await diffOf(present, from, to);
    },
  );

  async function diffOf(present: PresentDefinition, from: number, to: number) {
    const named = async (version: number) => ({
      name: `${present.tenant}/${present.name} ${version}`,
      text: (await versionOf(present, version)).source,
    });
    return { from, to, diff: await compareTexts(await named(from), await named(to)) };
  }

  app.post(
    `${path}/versions/:version/restore`,
    {
      schema: {
        summary: `Apply the text of an earlier version of a ${called} again, as its next version`,
        tags: ['routes'],
        params: versionParams,
        body: reasonBodySchema,
        response: { 200: appliedSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      callerWith(request, 'definitions:apply');
      const present = await presentOf(request);
      const { source, version } = await versionOf(present, request.params.version);
      const documents = await posted.parse(source, request, reply);
      const { reason } = request.body;
      return await change(request, reply, { documents, isDryRun: false, reason, restored: version });
    },
  );

  await app.register(async (context: ApiServer) => {
    takeDefinitions(context);
    context.put(
      path,
      {
        schema: {
          summary: `Apply one ${called}`,
          description:
            'The body is one document, as for `POST /api/v1/routes`. With `If-Match` it is applied only while the definition is what that' +
            ' `ETag` says, else the reply is 412 with the change made since; with `If-None-Match: *` only if there is none.',
          tags: ['routes'],
          consumes: ['application/yaml', 'application/json'],
          params: nameParams,
          querystring: z.strictObject({ dry_run: flagField, reason: reasonField.optional() }),
          response: { 200: appliedSchema, ...errorReplies },
        },
      },
      async (request, reply) => {
        const { dry_run: isDryRun, reason } = request.query;
        if (!isDryRun) callerWith(request, 'definitions:apply');
        const { tenant, name } = request.params;
        const documents = await posted.read(request, reply);
        const faults = documents.flatMap((entry) => faultsOfName(entry, { kind, tenant, name }));
        if (faults.length > 0) throw faulty(faults);
        return await change(request, reply, { documents, isDryRun, reason });
      },
    );
  });

  interface Change {
    readonly documents: readonly ParsedDocument[];
    readonly isDryRun: boolean;
    readonly reason: string | undefined;
    readonly restored?: number;
  }

  async function change(request: FastifyRequest, reply: FastifyReply, options: Change) {
    const { tenant, name } = request.params as z.output<typeof nameParams>;
    const caller = callerOf(request);
    const isSeen = caller.tenantId === null || caller.tenantId === tenant;
    const present = isSeen ? await findPresent(sql, { kind, tenant, name }) : undefined;
    const condition = conditionOf(request);
    if (!isMet(condition, present)) throw await changedSince(condition, present);
    // Held again by the statement that applies it.
    const revision = condition.type === 'none' ? undefined : (present?.revision ?? 0);
    try {
      const result = await applyRouteFiles(parts, {
        ...options,
        tenantId: caller.tenantId,
        actor: actorOf(caller),
        revision,
      });
      if (result.type === 'faulty') throw faulty(result.faults);
      const after = options.isDryRun ? present : await findPresent(sql, { kind, tenant, name });
      if (after !== undefined) reply.header('etag', tagOf(after));
      return result.applied;
    } catch (error) {
      if (!(error instanceof LongshoreError && error.code === 'DEFINITION_CHANGED')) throw error;
      throw await changedSince(condition, await findPresent(sql, { kind, tenant, name }));
    }
  }

  async function changedSince(condition: Condition, present: PresentDefinition | undefined): Promise<LongshoreError> {
    if (present === undefined) return new LongshoreError('DEFINITION_CHANGED', `There is no such ${called} any more.`);
    const { version, applied_by: by, applied_at: at, disabledAt, removedAt } = present;
    const message =
      condition.type === 'absent'
        ? `There is a ${called} of that name, applied by ${by} at ${at}.`
        : `The ${called} was changed since you read it: it has version ${version}, applied by ${by} at ${at}.`;
    return new LongshoreError('DEFINITION_CHANGED', message, {
      details: {
        etag: tagOf(present),
        version,
        applied_by: by,
        applied_at: at,
        disabled_at: disabledAt,
        removed_at: removedAt,
        diff: await diffSince(condition, present),
      },
    });
  }

  async function diffSince(condition: Condition, present: PresentDefinition): Promise<string> {
    const [tag] = condition.type === 'one-of' ? condition.tags : [];
    if (tag === undefined || (await isUnknown(present, tag))) return '';
    return (await diffOf(present, tag.version, present.version)).diff;
  }

  async function isUnknown({ tenant, name }: PresentDefinition, { version }: Tagged): Promise<boolean> {
    return (await findVersion(sql, { kind, tenant, name }, version)) === undefined;
  }
}

interface Named {
  readonly kind: VersionedKind;
  readonly tenant: string;
  readonly name: string;
}

function faultsOfName(entry: ParsedDocument, { kind, tenant, name }: Named) {
  const { document } = entry;
  if (document.kind !== kind) return [faultAt(entry, ['kind'], `must be ${kind} here`)];
  const wanted = { tenant, name } as const;
  return (['tenant', 'name'] as const)
    .filter((field) => document[field] !== wanted[field])
    .map((field) => faultAt(entry, [field], `must be ${wanted[field]} here`));
}
