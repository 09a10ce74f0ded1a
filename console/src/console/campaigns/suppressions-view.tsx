/** Addresses that get no mails of campaigns, why, and a way to allow one again. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { call, get } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { pagedRows } from '../../parts/grid/paged-rows.ts';
import { PlainText } from '../../parts/plain-text.tsx';
import { Time } from '../../parts/time.tsx';
import { say, sayProblem } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';

interface Suppression {
  readonly address: string | null;
  readonly topic: string;
  readonly reason: string;
  readonly origin: string;
  readonly created_at: string;
  readonly expires_at: string | null;
}

const COLUMNS: readonly Column<Suppression>[] = [
  {
    id: 'address',
    title: 'Address',
    width: 'minmax(200px, 2fr)',
    cell: ({ address }) => (address === null ? 'erased' : <PlainText>{address}</PlainText>),
  },
  { id: 'topic', title: 'Topic', width: '140px', cell: ({ topic }) => (topic === '*' ? 'all' : topic) },
  { id: 'reason', title: 'Reason', width: '140px', cell: ({ reason }) => reason },
  { id: 'since', title: 'Since', width: '160px', cell: ({ created_at: at }) => <Time at={at} /> },
  {
    id: 'until',
    title: 'Until',
    width: '160px',
    cell: ({ expires_at: at }) => (at === null ? 'for good' : <Time at={at} />),
  },
];

export default function SuppressionsView() {
  const [search, change] = useUrlState();
  const [address, setAddress] = useState('');
  const refusal = useRefusal('suppressions:change');
  const { tenant, topic, reason } = search;
  const pages = useInfiniteQuery({
    queryKey: ['suppressions', tenant, topic, reason],
    queryFn: ({ pageParam, signal }) =>
      get<{ suppressions: Suppression[]; next_cursor: string | null }>('/api/v1/suppressions', {
        query: { tenant, topic, reason, cursor: pageParam, limit: 100 },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    enabled: tenant !== undefined,
  });

  async function decide(method: 'PUT' | 'DELETE', of: string, ofTopic: string): Promise<void> {
    try {
      await call(method, `/api/v1/suppressions/${encodeURIComponent(of)}`, { query: { tenant, topic: ofTopic } });
      say(method === 'PUT' ? 'It gets no more mails.' : 'It gets mails again.');
      await pages.refetch();
    } catch (error) {
      sayProblem(error);
    }
  }

  return (
    <>
      <h1>Suppressed addresses</h1>
      <FilterBar
        fields={[
          { name: 'tenant', label: 'tenant' },
          { name: 'topic', label: 'topic', options: ['*'] },
          {
            name: 'reason',
            label: 'reason',
            options: ['unsubscribed', 'complaint', 'hard-bounce', 'soft-bounces', 'imported', 'operator'],
          },
        ]}
        values={search}
        onChange={change}
      />
      {tenant === undefined ? (
        <Empty title="Choose a tenant." />
      ) : (
        <>
          <form
            className="row"
            onSubmit={(event) => {
              event.preventDefault();
              void decide('PUT', address.trim(), topic ?? '*').then(() => setAddress(''));
            }}
          >
            <label>
              Address{' '}
              <input type="email" required value={address} onChange={({ target }) => setAddress(target.value)} />
            </label>
            <button type="submit" disabled={refusal !== undefined} title={refusal}>
              Suppress
            </button>
            <button
              type="button"
              disabled={refusal !== undefined || address.trim() === ''}
              title={refusal}
              onClick={() => void decide('DELETE', address.trim(), topic ?? '*')}
            >
              Allow again
            </button>
          </form>
          <Fetched query={pages}>
            {({ pages: found }) => {
              const rows = pagedRows(found.map(({ suppressions }) => suppressions));
              if (rows.length === 0) return <Empty title="No address is suppressed." />;
              return (
                <Grid
                  label="Suppressed addresses"
                  columns={COLUMNS}
                  rows={rows}
                  rowId={(row) => `${row.address} ${row.topic} ${row.created_at}`}
                  rowName={({ address: name }) => name ?? 'erased'}
                  onOpen={({ address: name }) => setAddress(name ?? '')}
                  hasMore={pages.hasNextPage}
                  onMore={() => void pages.fetchNextPage()}
                  isFetching={pages.isFetching}
                />
              );
            }}
          </Fetched>
        </>
      )}
    </>
  );
}
