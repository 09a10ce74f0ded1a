/**
 * `/api/v1/actions`: an operator action on a set of jobs, files or dead letters. Previewed, then run, and carried by the retry-sweeper.
 *
 * 1. What a preview found is what runs, whatever fits the filter later.
 * 2. A word that is said twice is done once: the second answer shows the action as it is.
 * 3. Each verb takes the permission that it takes for one row, also to pause, resume, abort or approve it. A tenant acts on its own rows, and
 *    sees its own actions.
 * 4. `resend`, and sets larger than the operator of the fleet allows, wait for a second person.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { actorOf, type Caller, isKeyId, type Permission } from '#shared/access/permissions.ts';
import { FILTER_FIELDS, SUBJECTS } from '#shared/actions/action-subjects.ts';
import {
  type ActionTarget,
  abortAction,
  approveAction,
  canFail,
  pauseAction,
  resumeAction,
  runAction,
} from '#shared/actions/action-transitions.ts';
import { previewAction } from '#shared/actions/preview-action.ts';
import {
  ACTION_ITEM_STATES,
  ACTION_STATES,
  ACTION_VERBS,
  type ActionState,
  type ActionVerb,
  FILE_STATUSES,
  JOB_STATES,
} from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idCursorField } from '../http/page-cursor.ts';
import {
  anyCaseField,
  anyCaseListField,
  idField,
  idParams,
  instantField,
  limitField,
  plainTextField,
  tenantField,
  textField,
} from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { actionPageSchema, actionSchema, findAction, findActions, findItems, itemPageSchema } from './action-reply.ts';

const rateField = z.number().min(0.2).max(1_000);

/** As in queries, or a list. */
function anyCaseList<const Names extends readonly [string, ...string[]]>(names: Names) {
  return z.union([anyCaseListField(names), z.array(anyCaseField(names)).min(1).max(names.length)]);
}

const filterSchema = z
  .strictObject({
    tenant: tenantField.optional().describe('Operators only; a tenant’s key acts on its own whatever this says.'),
    ids: z.array(idField).min(1).max(1_000).optional().describe('Of the jobs, files or dead letters.'),
    file_ids: z.array(idField).min(1).max(1_000).optional().describe('Of jobs: those of these files.'),
    since: instantField.optional().describe('Created at this instant or later, RFC 3339.'),
    until: instantField.optional().describe('Created before this instant.'),
    route: textField(128).optional().describe('Of jobs.'),
    partner: textField(128).optional().describe('Of jobs: those of routes that call this partner.'),
    code: textField(64).optional().describe('Of jobs and files: which step failed, e.g. DELIVERY_ERROR.'),
    cause: textField(64).optional().describe('Of jobs and files: what went wrong in it, e.g. HTTP_503.'),
    state: anyCaseList(JOB_STATES)
      .optional()
      .describe(`Of jobs: one of ${JOB_STATES.join(', ')}, or a list of them.`),
    wait_reason: textField(64).optional().describe('Of jobs that are WAITING, e.g. HELD.'),
    held: z.literal(true).optional().describe('Of jobs: the same as wait_reason HELD.'),
    status: anyCaseList(FILE_STATUSES)
      .optional()
      .describe(`Of files: one of ${FILE_STATUSES.join(', ')}, or a list of them.`),
    name: textField(1_024).optional().describe('Of files; exact, or with * for any run of characters.'),
    type: textField(64).toLowerCase().optional().describe('Of files: extension of the name, without the dot.'),
    queue: z.enum(QUEUE_IDS).optional().describe('Of dead letters.'),
  })
  .refine(({ held, wait_reason: reason }) => !held || reason === undefined || reason === HELD, {
    error: 'is another than held means',
    path: ['wait_reason'],
  })
  .transform(({ held, ...filter }) => (held ? { ...filter, wait_reason: HELD } : filter));

const previewSchema = z
  .strictObject({
    verb: anyCaseVerb(),
    filter: filterSchema.describe('All conditions hold together; at least one is needed.'),
    rate_per_second: rateField.optional().describe('To see how long it takes; `run` may name another.'),
  })
  .superRefine(({ verb, filter }, context) => {
    // Also called where the verb itself is refused.
    if (!ACTION_VERBS.includes(verb)) return;
    const fields: readonly string[] = FILTER_FIELDS[SUBJECTS[verb]];
    for (const [field, value] of Object.entries(filter)) {
      if (value === undefined || fields.includes(field)) continue;
      const message = `is not a condition of a ${SUBJECTS[verb]}, which ${verb} is about`;
      context.addIssue({ code: 'custom', path: ['filter', field], message });
    }
  });

const runSchema = z.strictObject({
  reason: plainTextField(500).describe('Why; kept in the audit.'),
  rate_per_second: rateField.optional().describe('No limit when absent.'),
  canary: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('It pauses after this many items, and continues when it is resumed.'),
  stop_at_percent: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe(
      'It pauses when more than this share of the started items has failed again; for retry, release, resend and reroute.',
    ),
});

function anyCaseVerb() {
  return z
    .string()
    .max(16)
    .toLowerCase()
    .pipe(z.enum(ACTION_VERBS))
    .describe(`${ACTION_VERBS.join(', ')}.`);
}

const PERMISSIONS: Readonly<Record<ActionVerb, Permission>> = {
  retry: 'jobs:retry',
  cancel: 'jobs:cancel',
  release: 'jobs:review',
  reject: 'jobs:review',
  skip: 'jobs:retry',
  resend: 'effects:resend',
  reroute: 'files:reroute',
  redrive: 'letters:redrive',
  discard: 'letters:redrive',
};

export function handleActions(
  app: ApiServer,
  parts: ApiParts & { readonly actionApprovalOver: number | undefined },
): void {
  const { sql, reads } = parts;

  /** @throws LongshoreError `NOT_FOUND`, `FORBIDDEN` */
  async function findPermitted(request: FastifyRequest) {
    const { tenantId, id } = targetOf(request);
    const action = await findAction(parts, tenantId, id);
    callerWith(request, PERMISSIONS[action.verb]);
    return action;
  }

  app.post(
    '/api/v1/actions',
    {
      schema: {
        summary: 'Preview an action: what it would take, what it leaves out and why; nothing is done yet',
        tags: ['actions'],
        body: previewSchema,
        response: { 200: actionSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { verb, filter, rate_per_second: ratePerSecond } = request.body;
      const caller = callerWith(request, PERMISSIONS[verb]);
      const { tenantId } = caller;
      const { tenant, ...own } = filter;
      if (tenantId !== null && tenant !== undefined && tenant !== tenantId)
        throw new LongshoreError('NOT_FOUND', 'There is no such tenant.');
      // Of a tenant's key it is not a condition.
      const asked = tenantId === null ? filter : own;
      const id = await previewAction(sql, { verb, filter: asked, tenantId, ratePerSecond, actor: actorOf(caller) });
      return await findAction(parts, tenantId, id);
    },
  );

  app.get(
    '/api/v1/actions',
    {
      schema: {
        summary: 'Actions, newest first',
        tags: ['actions'],
        querystring: z.strictObject({
          state: anyCaseField(ACTION_STATES).optional().describe('Previews are listed only when this asks for them.'),
          verb: anyCaseVerb().optional(),
          cursor: idCursorField.optional().describe('next_cursor of the page before.'),
          limit: limitField,
        }),
        response: { 200: actionPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { cursor, ...filters } = request.query;
      return await findActions(reads, { ...filters, tenantId: callerOf(request).tenantId, after: cursor });
    },
  );

  app.get(
    '/api/v1/actions/:id',
    {
      schema: {
        summary: 'One action, with its preview and how it goes',
        tags: ['actions'],
        params: idParams,
        response: { 200: actionSchema, ...errorReplies },
      },
    },
    async (request) => await findAction(parts, callerOf(request).tenantId, request.params.id),
  );

  app.get(
    '/api/v1/actions/:id/items',
    {
      schema: {
        summary: 'What an action has in its set, and what happened to each',
        tags: ['actions'],
        params: idParams,
        querystring: z.strictObject({
          state: anyCaseField(ACTION_ITEM_STATES).optional(),
          cursor: idCursorField.optional().describe('next_cursor of the page before.'),
          limit: limitField,
        }),
        response: { 200: itemPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenantId } = callerOf(request);
      const { action_id: actionId, verb } = await findAction(parts, tenantId, request.params.id);
      const { cursor, ...filters } = request.query;
      return await findItems(reads, { ...filters, actionId, verb, after: cursor });
    },
  );

  app.post(
    '/api/v1/actions/:id/run',
    {
      schema: {
        summary: 'Run a previewed action; to run it twice is to run it once',
        tags: ['actions'],
        params: idParams,
        body: runSchema,
        response: { 200: actionSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { reason, rate_per_second: ratePerSecond, canary, stop_at_percent: stopAtPercent } = request.body;
      const target = targetOf(request);
      const { verb, needs_approval: needsApproval } = await findPermitted(request);
      if (stopAtPercent !== undefined && !canFail(verb))
        throw new LongshoreError('REQUEST_INVALID', `Nothing that ${verb} does can fail again.`, {
          details: { in: 'body', faults: [{ field: 'stop_at_percent', message: 'is not for this verb' }] },
        });
      const hasRun = await runAction(sql, { ...target, reason, ratePerSecond, canary, stopAtPercent, needsApproval });
      const action = await findAction(parts, target.tenantId, target.id);
      if (!hasRun && action.state === 'PREVIEWED')
        throw new LongshoreError('ACTION_EXPIRED', `The preview could be run until ${action.expires_at}.`);
      if (!hasRun && action.state === 'ABORTED') throw notInState(action.state, 'run');
      return action;
    },
  );

  handleStateChange('pause', {
    summary: 'Pause a running action; what was taken continues',
    done: 'paused',
    change: pauseAction,
    after: ['PAUSED'],
  });
  handleStateChange('resume', {
    summary: 'Let a paused action continue',
    done: 'resumed',
    change: resumeAction,
    after: ['RUNNING', 'DONE'],
  });
  handleStateChange('abort', {
    summary: 'End an action; what was taken continues, and nothing more is taken',
    done: 'aborted',
    change: abortAction,
    after: ['ABORTED'],
  });

  app.post(
    '/api/v1/actions/:id/approve',
    {
      schema: {
        summary: 'Approve an action that waits for a second person, who is not the one that ran it',
        tags: ['actions'],
        params: idParams,
        response: { 200: actionSchema, ...errorReplies },
      },
    },
    async (request) => {
      const target = targetOf(request);
      await findPermitted(request);
      const isApproved = await approveAction(sql, { ...target, ...credentialOf(callerOf(request)) });
      const action = await findAction(parts, target.tenantId, target.id);
      if (isApproved || action.approved_by === target.actor) return action;
      if (action.state !== 'AWAITING_APPROVAL') throw notInState(action.state, 'approved');
      if (action.expires_at !== null && Date.parse(action.expires_at) <= Date.now())
        throw new LongshoreError('ACTION_EXPIRED', `The action could be approved until ${action.expires_at}.`);
      throw new LongshoreError(
        'ACTION_SAME_PERSON',
        `${action.actor} ran the action; a key or a person that was made since does not count as a second one.`,
      );
    },
  );

  interface StateChange {
    readonly summary: string;
    /** As in "cannot be paused". */
    readonly done: string;
    readonly change: (database: typeof sql, target: ActionTarget) => Promise<boolean>;
    /** States in which it was said already. */
    readonly after: readonly ActionState[];
  }

  function handleStateChange(verb: 'pause' | 'resume' | 'abort', { summary, done, change, after }: StateChange): void {
    app.post(
      `/api/v1/actions/:id/${verb}`,
      {
        schema: {
          summary,
          tags: ['actions'],
          params: idParams,
          response: { 200: actionSchema, ...errorReplies },
        },
      },
      async (request) => {
        const target = targetOf(request);
        await findPermitted(request);
        const isDone = await change(sql, target);
        const action = await findAction(parts, target.tenantId, target.id);
        if (!isDone && !after.includes(action.state)) throw notInState(action.state, done);
        return action;
      },
    );
  }
}

function credentialOf({ keyId, session }: Caller): {
  readonly keyId: string | null;
  readonly sessionId: string | null;
} {
  return { keyId: isKeyId(keyId) ? keyId : null, sessionId: session?.id ?? null };
}

function targetOf(request: FastifyRequest): ActionTarget {
  const caller = callerOf(request);
  return { id: (request.params as { id: string }).id, tenantId: caller.tenantId, actor: actorOf(caller) };
}

function notInState(state: ActionState, what: string): LongshoreError {
  return new LongshoreError('ACTION_NOT_IN_STATE', `The action is ${state} and cannot be ${what}.`);
}
