/** An action as the API shows it, and its reads. */
import { z } from 'zod';
import { SUBJECTS, type SubjectKind } from '#shared/actions/action-subjects.ts';
import { readResults } from '#shared/actions/action-transitions.ts';
import { MOST_LEFT_OUT } from '#shared/actions/preview-action.ts';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import { and, asc, desc, eq, sql as expression } from '#shared/db/drizzle.ts';
import {
  ACTION_ITEM_STATES,
  ACTION_STATES,
  ACTION_VERBS,
  type ActionVerb,
  actionItems,
  actions,
  files,
} from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { encodeIdCursor } from '../http/page-cursor.ts';
import { instantOf, instantOrNullOf } from '../records/read-columns.ts';

const groupSchema = z.array(z.object({ value: z.string(), count: z.number() }));

export const actionSummarySchema = z
  .object({
    action_id: z.string(),
    verb: z.enum(ACTION_VERBS),
    state: z.enum(ACTION_STATES),
    customer_id: z.string().nullable().describe('The tenant whose key asked; null for an operator.'),
    filter: z.record(z.string(), z.unknown()),
    actor: z.string().describe('Who had it previewed, then who ran it.'),
    reason: z.string().nullable(),
    approved_by: z.string().nullable(),
    rate_per_second: z.number().nullable(),
    canary: z.number().nullable(),
    stop_at_percent: z.number().nullable(),
    takes: z.number().describe('How many it has in its set.'),
    done: z.number(),
    refused: z.number().describe('Those that could not be taken any more; `items?state=refused` says why.'),
    pause_reason: z
      .string()
      .nullable()
      .describe('CANARY, FAILING or PERSON; NOT_APPROVED of one that nobody approved in time.'),
    seconds_left: z.number().nullable().describe('At its rate; null without one.'),
    expires_at: z.string().nullable().describe('Until when a preview can be run, or an action be approved.'),
    created_at: z.string(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
  })
  .meta({ id: 'ActionSummary' });

export type ActionSummary = z.infer<typeof actionSummarySchema>;

export const actionSchema = actionSummarySchema
  .extend({
    preview: z.object({
      leaves_out: z
        .array(z.object({ reason: z.string(), count: z.number() }))
        .describe(`What fits the filter and is not taken, by its state; counted up to ${MOST_LEFT_OUT}.`),
      by: z
        .record(z.string(), groupSchema)
        .describe('What is taken, by tenant, route, code and so on; the commonest values.'),
      samples: z.array(
        z.looseObject({ id: z.string(), tenant: z.string().nullable(), file_name: z.string().nullable() }),
      ),
    }),
    needs_approval: z.boolean().describe('It was only previewed, and once it is run it waits for a second person.'),
    results: z
      .object({ ended: z.number(), failing: z.number(), open: z.number() })
      .nullable()
      .describe('What happened to those set going last, 1,000 at most; null where nothing of it can fail again.'),
  })
  .meta({ id: 'Action' });

export type Action = z.infer<typeof actionSchema>;

export const actionPageSchema = z.object({
  actions: z.array(actionSummarySchema),
  next_cursor: z.string().nullable(),
});

export const itemPageSchema = z.object({
  items: z.array(
    z.object({
      id: z.string().describe('Of the job, file or dead letter.'),
      tenant: z.string().nullable(),
      file_id: z.string().nullable().describe('Null for a dead letter that belongs to no file, or whose file is gone.'),
      file_name: z.string().nullable(),
      state: z.enum(ACTION_ITEM_STATES),
      code: z.string().nullable().describe('Why it was refused.'),
    }),
  ),
  next_cursor: z.string().nullable(),
});

export type ActionPage = z.infer<typeof actionPageSchema>;
export type ActionItemPage = z.infer<typeof itemPageSchema>;

const columns = {
  id: actions.id,
  verb: actions.verb,
  state: actions.state,
  tenantId: actions.tenantId,
  filter: actions.filter,
  preview: actions.preview,
  actor: actions.actor,
  reason: actions.reason,
  approvedBy: actions.approvedBy,
  ratePerSecond: actions.ratePerSecond,
  canary: actions.canary,
  stopAtPercent: actions.stopAtPercent,
  takes: actions.takes,
  done: actions.done,
  refused: actions.refused,
  pauseReason: actions.pauseReason,
  judgedFrom: actions.judgedFrom,
  expiresAt: instantOrNullOf(actions.expiresAt),
  createdAt: instantOf(actions.createdAt),
  startedAt: instantOrNullOf(actions.startedAt),
  finishedAt: instantOrNullOf(actions.finishedAt),
};

type ActionRow = Omit<
  typeof actions.$inferSelect,
  'nextActionAt' | 'updatedAt' | 'expiresAt' | 'createdAt' | 'startedAt' | 'finishedAt'
> & {
  readonly expiresAt: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
};

function toSummary(row: ActionRow): ActionSummary {
  const { takes, done, refused, ratePerSecond } = row;
  return {
    action_id: row.id,
    verb: row.verb,
    state: row.state,
    customer_id: row.tenantId,
    filter: row.filter as Record<string, unknown>,
    actor: row.actor,
    reason: row.reason,
    approved_by: row.approvedBy,
    rate_per_second: ratePerSecond,
    canary: row.canary,
    stop_at_percent: row.stopAtPercent,
    takes,
    done,
    refused,
    pause_reason: row.pauseReason,
    seconds_left:
      ratePerSecond === null || row.finishedAt !== null ? null : Math.ceil((takes - done - refused) / ratePerSecond),
    expires_at: row.expiresAt,
    created_at: row.createdAt,
    started_at: row.startedAt,
    finished_at: row.finishedAt,
  };
}

/** Sent a second time, an effect is there twice. */
const APPROVED_VERBS: readonly ActionVerb[] = ['resend'];

export interface ActionReads {
  readonly sql: Sql;
  readonly reads: Reads;
  /** Sets larger than this wait for a second person too. */
  readonly actionApprovalOver?: number | undefined;
}

/** @throws LongshoreError `NOT_FOUND` for what is not in the tenant's sight. */
export async function findAction(
  { sql, reads, actionApprovalOver = Number.POSITIVE_INFINITY }: ActionReads,
  tenantId: string | null,
  id: string,
): Promise<Action> {
  const [row] = await reads
    .select(columns)
    .from(actions)
    .where(and(ofOwner(tenantId), eq(actions.id, id)));
  if (row === undefined) throw new LongshoreError('NOT_FOUND', 'Action not found');
  return {
    ...toSummary(row),
    preview: row.preview as Action['preview'],
    needs_approval:
      row.state === 'PREVIEWED' &&
      row.takes > 0 &&
      (APPROVED_VERBS.includes(row.verb) || row.takes > actionApprovalOver),
    results: row.startedAt === null ? null : await readResults(sql, row),
  };
}

export interface ActionFilters {
  /** Null sees every tenant's. */
  readonly tenantId: string | null;
  readonly state?: (typeof ACTION_STATES)[number] | undefined;
  readonly verb?: (typeof ACTION_VERBS)[number] | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Newest first, previews that nobody ran apart. */
export async function findActions(
  reads: Reads,
  { tenantId, state, verb, after, limit }: ActionFilters,
): Promise<ActionPage> {
  const rows = await reads
    .select(columns)
    .from(actions)
    .where(
      and(
        ofOwner(tenantId),
        state === undefined ? expression`${actions.state} <> 'PREVIEWED'` : eq(actions.state, state),
        verb === undefined ? undefined : eq(actions.verb, verb),
        after === undefined ? undefined : expression`${actions.id} < ${after}::uuid`,
      ),
    )
    .orderBy(desc(actions.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return { actions: page.map(toSummary), next_cursor: last === undefined ? null : encodeIdCursor(last.id) };
}

/** The id of its file, by what an item is. */
const FILE_OF = {
  job: expression`(SELECT file_id FROM jobs WHERE id = ${actionItems.subject})`,
  file: actionItems.subject,
  'dead letter': expression`(SELECT file_id FROM dead_letters WHERE id = ${actionItems.subject})`,
} as const satisfies Record<SubjectKind, unknown>;

export interface ItemFilters {
  readonly actionId: string;
  readonly verb: ActionVerb;
  readonly state?: (typeof ACTION_ITEM_STATES)[number] | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

export async function findItems(
  reads: Reads,
  { actionId, verb, state, after, limit }: ItemFilters,
): Promise<ActionItemPage> {
  const rows = await reads
    .select({
      id: actionItems.subject,
      tenant: files.tenantId,
      file_id: files.id,
      file_name: files.name,
      state: actionItems.state,
      code: actionItems.code,
    })
    .from(actionItems)
    .leftJoin(files, eq(files.id, FILE_OF[SUBJECTS[verb]]))
    .where(
      and(
        eq(actionItems.actionId, actionId),
        state === undefined ? undefined : expression.raw(`action_items.state = '${state}'`),
        after === undefined ? undefined : expression`${actionItems.subject} > ${after}::uuid`,
      ),
    )
    .orderBy(asc(actionItems.subject))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return { items: page, next_cursor: last === undefined ? null : encodeIdCursor(last.id) };
}

function ofOwner(tenantId: string | null) {
  return tenantId === null ? undefined : eq(actions.tenantId, tenantId);
}
