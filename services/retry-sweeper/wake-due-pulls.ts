/** One tick of the clock of pulls and sources: what is due, orphaned, let in or lost is woken. Statements mark what they wake. */
import type { WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import { wakeSources } from '#shared/pulls/source-transitions.ts';
import { wakePulls } from '#shared/pulls/wake-pulls.ts';
import type { WakeDueRowsOptions } from './wake-due-rows.ts';

export interface WakeDuePullsOptions
  extends Pick<WakeDueRowsOptions, 'sql' | 'budget' | 'boundMs' | 'metrics' | 'logger'> {
  readonly senders: Pick<WakeUpSenders, 'sendPulls' | 'sendSources'>;
}

const MOST_ROWS = 200;

/** `again`: there was more than one statement takes. */
export async function wakeDuePulls({
  sql,
  senders,
  budget,
  boundMs,
  metrics,
  logger,
}: WakeDuePullsOptions): Promise<'again' | 'done'> {
  const sources = await wakeSources(sql, { limit: Math.min(MOST_ROWS, budget.left()), boundMs });
  budget.spend(sources.length);
  await senders.sendSources(sources);
  const pulls = await wakePulls(sql, { limit: Math.min(MOST_ROWS, budget.left()), boundMs });
  budget.spend(pulls.length);
  await senders.sendPulls(pulls);
  if (sources.length > 0) metrics.wakes.inc({ queue: 'work', row: 'source' }, sources.length);
  if (pulls.length > 0) metrics.wakes.inc({ queue: 'work', row: 'pull' }, pulls.length);
  if (sources.length + pulls.length > 0)
    logger.info({ sources: sources.length, pulls: pulls.length }, 'sources and pulls woken');
  return pulls.length >= MOST_ROWS && budget.left() > 0 ? 'again' : 'done';
}
