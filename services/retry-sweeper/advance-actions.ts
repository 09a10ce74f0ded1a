/**
 * The clock of actions: applies one set of each that is due, and deletes those that have expired.
 *
 * 1. A set is one statement (`apply-verb.ts`). A sweeper that is killed loses and doubles nothing: what it did not wake, the clocks find, and
 *    a letter that is sent twice does no harm.
 * 2. An action that cannot be advanced is put off, and delays no other.
 */
import {
  type DueAction,
  expireActions,
  findDueActions,
  findOpenItems,
  pauseFailing,
  putOffAction,
  readResults,
  SAMPLE,
} from '#shared/actions/action-transitions.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { APPLY_VERB, type ApplyVerbOptions } from './apply-verb.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

export interface AdvanceActionsOptions extends ApplyVerbOptions {
  readonly retentionMs: number;
  readonly metrics: Pick<RetrySweeperMetrics, 'actionItems'>;
  readonly logger: Logger;
}

const ACTOR = 'retry-sweeper';
const ACTIONS_AT_ONCE = 20;
const ITEMS_AT_ONCE = 1_000;
/** A set of an action with a rate is for about so long. */
const SET_SECONDS = 0.5;
/** Fewer say nothing about a share. */
const LEAST_JUDGED = 20;
const PUT_OFF_MS = 5_000;
const RESULTS_AGAIN_MS = 1_000;

/** `again`: there may be more. */
export async function advanceActions(options: AdvanceActionsOptions): Promise<'again' | 'done'> {
  const { sql, retentionMs, logger } = options;
  const isMoreToDelete = await expireActions(sql, { retentionMs, actor: ACTOR });
  const due = await findDueActions(sql, ACTIONS_AT_ONCE);
  for (const action of due) {
    try {
      await advanceAction(options, action);
    } catch (error) {
      logger.error({ err: error, actionId: action.id, verb: action.verb }, 'action not advanced, it is put off');
      await putOffAction(sql, action.id, PUT_OFF_MS);
    }
  }
  return due.length > 0 || isMoreToDelete ? 'again' : 'done';
}

async function advanceAction(options: AdvanceActionsOptions, action: DueAction): Promise<void> {
  const { sql, metrics, logger } = options;
  if (!(await isGoingWell(options, action))) return;
  const subjects = await findOpenItems(sql, action.id, setSizeOf(action));
  if (subjects.length === 0) return await putOffAction(sql, action.id, PUT_OFF_MS);
  const done = await APPLY_VERB[action.verb](options, action, subjects);
  metrics.actionItems.inc({ verb: action.verb }, done);
  logger.info({ actionId: action.id, verb: action.verb, items: subjects.length, done }, 'action advanced');
}

function setSizeOf({ ratePerSecond, canary, done }: DueAction): number {
  const byRate = ratePerSecond === null ? ITEMS_AT_ONCE : Math.max(1, Math.floor(ratePerSecond * SET_SECONDS));
  const byCanary = canary !== null && done < canary ? canary - done : ITEMS_AT_ONCE;
  return Math.min(ITEMS_AT_ONCE, byRate, byCanary);
}

/** Without a rate, no more is set going than can be judged. */
async function isGoingWell({ sql, logger }: AdvanceActionsOptions, action: DueAction): Promise<boolean> {
  const { id, stopAtPercent, ratePerSecond } = action;
  if (stopAtPercent === null) return true;
  const results = await readResults(sql, action);
  if (results === null) return true;
  const { ended, failing, open } = results;
  if (ended >= LEAST_JUDGED && (failing / ended) * 100 > stopAtPercent) {
    await pauseFailing(sql, id, ACTOR);
    logger.warn({ actionId: id, ended, failing, stopAtPercent }, 'action paused, too many fail again');
    return false;
  }
  if (ratePerSecond !== null || open < SAMPLE) return true;
  await putOffAction(sql, id, RESULTS_AGAIN_MS);
  return false;
}
