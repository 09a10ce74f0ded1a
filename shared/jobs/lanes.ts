/**
 * Lanes: which queues a job's steps wait in, so that a flood of one lane is not before another's. Long steps of platinum have a queue of their
 * own; those of the other lanes share one.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { Lane } from '#shared/definitions/lanes.ts';
import { LONG_QUEUES, STEP_QUEUES, type StepQueue, type WorkQueue } from '#shared/runtime/config/resource-names.ts';

export function queueOfClass(stepClass: 'short' | 'long', lane: Lane): WorkQueue {
  return (stepClass === 'long' ? LONG_QUEUES : STEP_QUEUES)[lane];
}

export function stepQueueOf(lane: Lane): StepQueue {
  return STEP_QUEUES[lane];
}

/** The same as an expression over a column. */
export function stepQueueIn(sql: Sql, lane: ReturnType<Sql>) {
  const { platinum, standard, bronze } = STEP_QUEUES;
  return sql`CASE ${lane} WHEN 'platinum' THEN ${platinum} WHEN 'bronze' THEN ${bronze} ELSE ${standard} END`;
}

/** Of the archive copy of the file `f`, as an expression. A large one goes with its jobs. */
export function archiveQueueIn(sql: Sql) {
  return sql`CASE WHEN NOT f.is_large THEN ${STEP_QUEUES.standard}
    WHEN EXISTS (SELECT 1 FROM jobs l WHERE l.file_id = f.id AND l.lane = 'platinum') THEN ${LONG_QUEUES.platinum}
    ELSE ${LONG_QUEUES.standard} END`;
}
