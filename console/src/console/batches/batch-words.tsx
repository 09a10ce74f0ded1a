/** How far a batch is, in words. */
import type { BatchPage } from '#services/control-api/batches/find-batches.ts';
import { StateBadge } from '../../parts/state-badge.tsx';

type Batch = BatchPage['batches'][number];

/** Open is nothing bad here, as it is of a breaker. */
export function BatchState({ batch: { state } }: { readonly batch: Pick<Batch, 'state'> }) {
  return <StateBadge state={state === 'OPEN' ? 'gathering' : state} />;
}

/** `2 of 10 files`, `10 files: 9 succeeded, 1 failed`. */
export function filesText({ files, full_at: fullAt, expected, succeeded, failed }: Batch): string {
  const wanted = succeeded === null ? (expected ?? fullAt) : null;
  const count = `${wanted === null ? '' : `${files} of `}${wanted ?? files} ${(wanted ?? files) === 1 ? 'file' : 'files'}`;
  return succeeded === null ? count : `${count}: ${succeeded} succeeded${failed ? `, ${failed} failed` : ''}`;
}
