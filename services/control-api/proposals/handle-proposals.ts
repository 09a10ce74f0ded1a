/**
 * `/api/v1/proposals`: a change that somebody asks for who may not make it, and that another person makes.
 *
 * 1. A proposal is the request itself. It is made when it is approved, by the credential of whoever approves: he must be permitted to make it,
 *    and everything that is checked and audited for such a request is so for this one.
 * 2. What is proposed is checked first, as far as it can be without being done; the check is repeated whenever the proposal is looked at.
 * 3. With `if_match` it is made only while the definition is what its proposer saw.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { LongshoreError } from '#shared/errors.ts';
import {
  lockProposal,
  makeProposal,
  noteApplied,
  rejectProposal,
  unlockProposal,
} from '#shared/proposals/proposal-transitions.ts';
import { parseJson } from '#shared/text/parse-json.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import type { errorBodySchema } from '../http/error-reply.ts';
import { idCursorField } from '../http/page-cursor.ts';
import {
  anyCaseField,
  idParams,
  limitField,
  reasonBodySchema,
  reasonField,
  textField,
} from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';
import { findProposable, presentPath, tenantOfPath } from './proposable-requests.ts';
import {
  findProposal,
  findProposals,
  PROPOSAL_VIEWS,
  type ProposalRow,
  proposalDetailSchema,
  proposalPageSchema,
  toProposal,
} from './proposal-reply.ts';

/** Longer than any answer takes. */
const LOCK_MS = 60_000;
const LONGEST_REASON = 500;
const LONGEST_TEXT = 524_288;

const proposeSchema = z.strictObject({
  method: z.enum(['PUT', 'POST']),
  path: textField(600).describe(
    'Of a definition, or of the calls of a partner, e.g. `/api/v1/partners/acme/desk/pause`.',
  ),
  body: z
    .union([textField(LONGEST_TEXT), z.record(z.string(), z.unknown())])
    .optional()
    .describe('YAML as text, or an object; without `reason`.'),
  if_match: textField(64).optional().describe('`ETag` of the definition that is changed.'),
  reason: reasonField,
});
type Proposed = z.output<typeof proposeSchema>;

/** What a request carries to say who asks, and through what. */
const CREDENTIALS = [
  ...['x-api-key', 'authorization', 'cookie', 'host', 'origin', 'sec-fetch-site', 'x-longshore'],
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'],
];

type Change = Pick<ProposalRow, 'method' | 'path' | 'contentType' | 'body' | 'ifMatch'>;

export function handleProposals(app: ApiServer, { sql, reads }: ApiParts): void {
  app.post(
    '/api/v1/proposals',
    {
      schema: {
        summary: 'Propose a change of a definition, or of the calls of a partner, that somebody else approves',
        tags: ['proposals'],
        body: proposeSchema,
        response: { 200: proposalDetailSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'proposals:make');
      const { reason, ...proposed } = request.body;
      const change = changeOf(proposed);
      const check = await checkChange(request, change);
      if (check.error !== null) return reply.code(check.status).send(check.error as never);
      const tenantId = tenantOfPath(change.path);
      const id = await makeProposal(sql, { ...change, tenantId, reason, actor: actorOf(caller) });
      return { ...toProposal(await rowOf(id)), check };
    },
  );

  app.get(
    '/api/v1/proposals',
    {
      schema: {
        summary: 'Proposals, newest first',
        tags: ['proposals'],
        querystring: z.strictObject({
          state: anyCaseField(PROPOSAL_VIEWS).optional(),
          cursor: idCursorField.optional().describe('next_cursor of the page before.'),
          limit: limitField,
        }),
        response: { 200: proposalPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      callerWith(request, 'proposals:read');
      const { state, cursor: after, limit } = request.query;
      return await findProposals(reads, { state, after, limit });
    },
  );

  app.get(
    '/api/v1/proposals/:id',
    {
      schema: {
        summary: 'One proposal, and whether it could be made now',
        tags: ['proposals'],
        params: idParams,
        response: { 200: proposalDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      callerWith(request, 'proposals:read');
      const row = await rowOf(request.params.id);
      const proposal = toProposal(row);
      return { ...proposal, check: proposal.state === 'OPEN' ? await checkChange(request, row) : null };
    },
  );

  app.post(
    '/api/v1/proposals/:id/approve',
    {
      schema: {
        summary: 'Make the change that is proposed, in one’s own name',
        description:
          'Takes the permission that the change itself takes, and answers as it does where it cannot be made.',
        tags: ['proposals'],
        params: idParams,
        response: { 200: proposalDetailSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'proposals:make');
      const { id } = request.params;
      const row = await rowOf(id);
      if (!(await lockProposal(sql, id, LOCK_MS))) throw notOpen(row);
      const made = await ask(request, withReason(row, `${row.reason} (proposed by ${row.proposedBy})`));
      if (made.statusCode >= 300) {
        await unlockProposal(sql, id);
        return reply.code(made.statusCode).send(parseJson(made.body) as never);
      }
      await noteApplied(sql, { id, note: null, actor: actorOf(caller) });
      return { ...toProposal(await rowOf(id)), check: null };
    },
  );

  app.post(
    '/api/v1/proposals/:id/reject',
    {
      schema: {
        summary: 'End a proposal without making its change; its proposer withdraws it so',
        tags: ['proposals'],
        params: idParams,
        body: reasonBodySchema,
        response: { 200: proposalDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'proposals:make');
      const { id } = request.params;
      const isRejected = await rejectProposal(sql, { id, note: request.body.reason, actor: actorOf(caller) });
      const row = await rowOf(id);
      if (!isRejected) throw notOpen(row);
      return { ...toProposal(row), check: null };
    },
  );

  async function rowOf(id: string): Promise<ProposalRow> {
    const row = await findProposal(reads, id);
    if (row === undefined) throw new LongshoreError('NOT_FOUND', 'Proposal not found');
    return row;
  }

  /** By the credential of `request`. */
  async function ask(request: FastifyRequest, { method, path, contentType, body, ifMatch }: Change) {
    const credentials = CREDENTIALS.flatMap((name) => {
      const value = request.headers[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    return await app.inject({
      method: method as 'GET',
      url: path,
      headers: {
        ...Object.fromEntries(credentials),
        ...(contentType !== null && { 'content-type': contentType }),
        ...(ifMatch !== null && { 'if-match': ifMatch }),
      },
      ...(body !== null && { payload: body }),
      ...(request.socket.remoteAddress !== undefined && { remoteAddress: request.socket.remoteAddress }),
    });
  }

  async function checkChange(request: FastifyRequest, change: Change) {
    const proposable = proposableOf(change);
    const trial =
      proposable.check === 'dry-run'
        ? { ...change, path: `${change.path}?dry_run=true` }
        : { ...change, method: 'GET', path: presentPath(proposable, change.path), contentType: null, body: null };
    const { statusCode, body } = await ask(request, trial);
    const reply = parseJson(body);
    if (statusCode >= 300)
      return { status: statusCode, error: reply as z.output<typeof errorBodySchema>, would_apply: null };
    const wouldApply = proposable.check === 'dry-run' ? (reply as Record<string, unknown>) : null;
    return { status: statusCode, error: null, would_apply: wouldApply };
  }
}

/** @throws LongshoreError `REQUEST_INVALID` */
function changeOf({ method, path, body, if_match: ifMatch }: Omit<Proposed, 'reason'>): Change {
  const proposable = proposableOf({ method, path });
  const shape = proposable.body?.safeParse(body);
  if (shape?.success === false)
    throw invalid(
      shape.error.issues.map((issue) => ({ field: ['body', ...issue.path].join('.'), message: issue.message })),
    );
  if (proposable.reasonIn === 'query' && body === undefined) throw invalid([{ field: 'body', message: 'is missing' }]);
  const isText = typeof body === 'string';
  return {
    ...{ method, path, ifMatch: ifMatch ?? null },
    contentType: isText ? 'application/yaml' : 'application/json',
    body: isText ? body : JSON.stringify(body ?? {}),
  };
}

function proposableOf(request: { readonly method: string; readonly path: string }) {
  const proposable = findProposable(request);
  if (proposable !== undefined) return proposable;
  throw invalid([{ field: 'path', message: 'is none that can be proposed: a definition, or the calls of a partner' }]);
}

function invalid(faults: readonly { readonly field: string; readonly message: string }[]): LongshoreError {
  const [first] = faults;
  return new LongshoreError('REQUEST_INVALID', `${first?.field} ${first?.message}`, {
    details: { in: 'body', faults },
  });
}

function withReason(change: Change, reason: string): Change {
  const text = reason.slice(0, LONGEST_REASON);
  if (proposableOf(change).reasonIn === 'query')
    return { ...change, path: `${change.path}?${new URLSearchParams({ reason: text })}` };
  return { ...change, body: JSON.stringify({ ...(parseJson(change.body ?? '{}') as object), reason: text }) };
}

function notOpen(row: ProposalRow): LongshoreError {
  const { state, decided_by: by, expires_at: until } = toProposal(row);
  const why = {
    OPEN: 'Somebody decides about the proposal right now.',
    APPLIED: `The proposal was approved by ${by}.`,
    REJECTED: `The proposal was rejected by ${by}.`,
    EXPIRED: `The proposal could be approved until ${until}.`,
  } as const;
  return new LongshoreError('PROPOSAL_NOT_OPEN', why[state]);
}
