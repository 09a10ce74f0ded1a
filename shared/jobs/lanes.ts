/**
 * Lanes: which queue a job's short steps stand in, so that a flood of one lane is not before another's. Its long steps stand in `work`, whatever
 * its lane.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { Lane } from '#shared/definitions/lanes.ts';
import { STEP_QUEUES, type StepQueue, type WorkQueue } from '#shared/runtime/config/resource-names.ts';

export function queueOfClass(stepClass: 'short' | 'long', lane: Lane): WorkQueue {
  return stepClass === 'long' ? 'work' : STEP_QUEUES[lane];
}

export function stepQueueOf(lane: Lane): StepQueue {
  return STEP_QUEUES[lane];
}

/** The same as an expression over a column. */
export function stepQueueIn(sql: Sql, lane: ReturnType<Sql>) {
  const { platinum, standard, bronze } = STEP_QUEUES;
  return sql`CASE ${lane} WHEN 'platinum' THEN ${platinum} WHEN 'bronze' THEN ${bronze} ELSE ${standard} END`;
}
