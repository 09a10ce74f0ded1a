/**
 * Reads the state of the fleet into gauges: what is open and due, what waits to leave, what is parked, whether copies move, who is
 * connected to the database; and what the queues count.
 */
import { countOpenActions } from '#shared/actions/action-transitions.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { countEffects } from '#shared/effects/resolve-effect.ts';
import { countOccurrences } from '#shared/expectations/expectation-transitions.ts';
import { countConnections } from '#shared/fleet/count-connections.ts';
import { countBlockedLines, countParkedLetters, type QueueRows, readQueueRows } from '#shared/fleet/open-rows.ts';
import { outboxLag } from '#shared/jobs/outbox.ts';
import { noticeLag } from '#shared/notices/notice-transitions.ts';
import { countHeldPartners } from '#shared/partners/count-held.ts';
import type { QueueDepth } from '#shared/queue/queue-depth.ts';
import { countRemotes } from '#shared/remotes/count-remotes.ts';
import { expiryOverdue } from '#shared/retention/expiry-overdue.ts';
import {
  ARRIVAL_QUEUES,
  LONG_QUEUE_IDS,
  LONG_QUEUES,
  QUEUE_IDS,
  type QueueId,
  STEP_QUEUE_IDS,
  STEP_QUEUES,
  WORK_QUEUE_IDS,
  type WorkQueue,
} from '#shared/runtime/config/resource-names.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

export interface ObserveFleetOptions {
  readonly sql: Sql;
  readonly watchCopies: () => Promise<number>;
  readonly metrics: RetrySweeperMetrics;
}

export async function observeFleet({ sql, watchCopies, metrics }: ObserveFleetOptions): Promise<void> {
  const [
    rows,
    lag,
    notices,
    parked,
    blockedLines,
    copyStillSeconds,
    connections,
    openActions,
    effects,
    expected,
    remotes,
    overdue,
    held,
  ] = await Promise.all([
    readQueueRows(sql),
    outboxLag(sql),
    noticeLag(sql),
    countParkedLetters(sql),
    countBlockedLines(sql),
    watchCopies(),
    countConnections(sql),
    countOpenActions(sql),
    countEffects(sql),
    countOccurrences(sql),
    countRemotes(sql),
    expiryOverdue(sql),
    countHeldPartners(sql),
  ]);
  metrics.databaseConnectionsMax.set(connections.max);
  metrics.outboxRows.set(lag.rows);
  metrics.outboxOldestSeconds.set(lag.oldestSeconds);
  metrics.openNotices.set({ state: 'pending' }, notices.pending);
  metrics.openNotices.set({ state: 'parked' }, notices.parked);
  metrics.noticesOldestSeconds.set(notices.oldestDueSeconds);
  metrics.parkedLetters.set(parked);
  metrics.expiryOverdueSeconds.set({ what: 'files' }, overdue.files);
  metrics.expiryOverdueSeconds.set({ what: 'objects' }, overdue.objects);
  metrics.blockedLines.set(blockedLines);
  metrics.copyStillSeconds.set(copyStillSeconds);
  metrics.remotesFailing.set(remotes.failing);
  metrics.remoteBreakersOpen.set(remotes.refused);
  metrics.remoteConnections.set(remotes.connections);
  metrics.sourcesOverdue.set(remotes.overdueSources);
  metrics.partnersHeld.set({ by: 'pause' }, held.paused);
  metrics.partnersHeld.set({ by: 'breaker' }, held.breakerOpen);
  metrics.partnerHeldSeconds.set(held.oldestSeconds);
  if (remotes.certificateDays === null) metrics.certificateDays.remove();
  else metrics.certificateDays.set(remotes.certificateDays);
  for (const { state, count } of openActions) metrics.openActions.set({ state }, count);
  metrics.expectations.reset();
  for (const state of ['late', 'missed', 'at risk']) metrics.expectations.set({ state }, 0);
  for (const { state, count } of expected)
    metrics.expectations.set({ state: state.toLowerCase().replaceAll('_', ' ') }, count);
  // A state that no row is in any more must not keep its last value.
  metrics.effects.reset();
  for (const { kind, stage, count } of effects) metrics.effects.set({ kind, stage }, count);
  metrics.rows.reset();
  metrics.databaseConnections.reset();
  for (const { application, state, connections: count } of connections.groups) {
    metrics.databaseConnections.set({ application, state }, count);
  }
  metrics.oldestDueSeconds.reset();
  for (const queue of QUEUE_IDS) {
    const ofQueue = rows.filter((row) => row.queue === queue);
    // Tasks are scaled by this one: what is not shown is not known, and 0 is.
    if (WORK_QUEUE_IDS.some((id) => id === queue)) metrics.rows.set({ queue, state: 'waiting for admission' }, 0);
    for (const { state, rows: count } of ofQueue) metrics.rows.set({ queue, state }, count);
    if (ARRIVAL_QUEUES.has(queue)) continue;
    metrics.oldestDueSeconds.set({ queue }, Math.max(0, ...ofQueue.map(({ oldestDueSeconds }) => oldestDueSeconds)));
  }
  for (const [queue, lanes] of [
    [STEP_QUEUES.standard, STEP_QUEUE_IDS],
    [LONG_QUEUES.standard, LONG_QUEUE_IDS],
  ] as const)
    metrics.rows.set({ queue, state: 'waiting in all lanes' }, countInLanes(rows, queue, lanes));
}

/** What the workers of all `lanes` are scaled by in addition to the messages of the queue of the standard one. */
function countInLanes(rows: readonly QueueRows[], standard: WorkQueue, lanes: readonly WorkQueue[]): number {
  const waits = ({ queue, state }: QueueRows) =>
    lanes.some((id) => id === queue) &&
    (state === 'waiting for admission' || (state === 'standing' && queue !== standard));
  return rows.filter(waits).reduce((sum, { rows: count }) => sum + count, 0);
}

/** Its own clock: queues that do not answer keep no figure of the database back. */
export async function observeQueues({
  readDepth,
  metrics,
}: {
  readonly readDepth: (queue: QueueId | `${QueueId}-dlq`) => Promise<QueueDepth>;
  readonly metrics: Pick<RetrySweeperMetrics, 'queueMessages'>;
}): Promise<void> {
  const queues = QUEUE_IDS.flatMap((queue) => [queue, `${queue}-dlq`] as const);
  await Promise.all(
    queues.map(async (queue) => {
      const { visible, inFlight, delayed } = await readDepth(queue);
      metrics.queueMessages.set({ queue, state: 'visible' }, visible);
      metrics.queueMessages.set({ queue, state: 'in flight' }, inFlight);
      metrics.queueMessages.set({ queue, state: 'delayed' }, delayed);
    }),
  );
}
