/** The batch that a file belongs to: how far it is, and what is missing. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { BatchDetail } from '#services/control-api/batches/find-batches.ts';
import { get } from '../../api/client.ts';
import { PlainText } from '../../parts/plain-text.tsx';
import { BatchState, filesText } from '../batches/batch-words.tsx';

const REFETCH_MS = 5_000;

export function BatchLine({ id }: { readonly id: string }) {
  const batch = useQuery({
    queryKey: ['batch', id],
    queryFn: ({ signal }) =>
      get<BatchDetail>(`/api/v1/batches/${id}`, { signal, headers: { 'x-longshore-background': '1' } }),
    refetchInterval: ({ state }) => (state.data?.finished_at === null ? REFETCH_MS : false),
  });
  if (batch.data === undefined) return null;
  const { missing } = batch.data;
  return (
    <p>
      In <Link to={`/batches/${id}` as string}>a batch</Link> with {filesText(batch.data)}{' '}
      <BatchState batch={batch.data} />
      {missing.length > 0 && (
        <>
          , missing: <PlainText>{missing.join(', ')}</PlainText>
        </>
      )}
    </p>
  );
}
