/** The batch that a file belongs to: how far it is, and what is missing. */
import { useQuery } from '@tanstack/react-query';
import type { BatchDetail } from '#services/control-api/batches/find-batches.ts';
import { get } from '../../api/client.ts';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';

const REFETCH_MS = 5_000;

export function BatchLine({ id }: { readonly id: string }) {
  const batch = useQuery({
    queryKey: ['batch', id],
    queryFn: ({ signal }) =>
      get<BatchDetail>(`/api/v1/batches/${id}`, { signal, headers: { 'x-longshore-background': '1' } }),
    refetchInterval: ({ state }) => (state.data?.finished_at === null ? REFETCH_MS : false),
  });
  if (batch.data === undefined) return null;
  const { state, missing } = batch.data;
  return (
    <p>
      In a batch of {filesText(batch.data)} <StateBadge state={state} />
      {missing.length > 0 && (
        <>
          , missing: <PlainText>{missing.join(', ')}</PlainText>
        </>
      )}{' '}
      <CopyCommand words={['batches', 'show', id]} />
    </p>
  );
}

function filesText({ files, full_at: fullAt, expected, succeeded }: BatchDetail): string {
  if (succeeded !== null) return `${files} files, of which ${succeeded} succeeded`;
  const wanted = expected ?? fullAt;
  return wanted === null ? `${files} files` : `${files} of ${wanted} files`;
}
