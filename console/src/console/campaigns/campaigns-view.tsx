/** Campaigns, newest first, and how far each is. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { get } from '../../api/client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';

type Counts = Readonly<Record<string, number>>;

export interface Campaign {
  readonly transaction_id: string;
  readonly tenant: string;
  readonly name: string;
  readonly status: string;
  readonly waiting_for: string | null;
  readonly recipients: Counts & { readonly valid: number; readonly suppressed: number };
  readonly messages: Counts & { readonly sent: number; readonly failed: number; readonly ambiguous: number };
  readonly events: Counts;
  readonly created_at: string;
  readonly expected_end_at: string | null;
  readonly error: { readonly code: string; readonly message: string | null } | null;
}

const REFETCH_MS = 5_000;

const COLUMNS: readonly Column<Campaign>[] = [
  { id: 'tenant', title: 'Tenant', width: '130px', cell: ({ tenant }) => tenant },
  { id: 'name', title: 'Name', width: 'minmax(160px, 2fr)', cell: ({ name }) => <PlainText>{name}</PlainText> },
  { id: 'status', title: 'Status', width: '150px', cell: ({ status }) => <StateBadge state={status} /> },
  { id: 'waiting', title: 'Waits for', width: '150px', cell: ({ waiting_for: waits }) => waits },
  {
    id: 'sent',
    title: 'Sent',
    width: '140px',
    cell: ({ messages, recipients }) => `${messages.sent} of ${recipients.valid}`,
  },
  {
    id: 'bounced',
    title: 'Bounced',
    width: '90px',
    cell: ({ events }) => (events.bounced_hard ?? 0) + (events.bounced_soft ?? 0),
  },
  { id: 'complained', title: 'Complaints', width: '100px', cell: ({ events }) => events.complained ?? 0 },
  { id: 'created', title: 'Created', width: '160px', cell: (row) => <Time at={row.created_at} tenant={row.tenant} /> },
];

export default function CampaignsView() {
  const [search, change] = useUrlState();
  const navigate = useNavigate();
  const { tenant } = search;
  const pages = useInfiniteQuery({
    queryKey: ['campaigns', tenant],
    queryFn: ({ pageParam, signal }) =>
      get<{ campaigns: Campaign[]; next_cursor: string | null }>('/api/v1/campaigns', {
        query: { tenant, cursor: pageParam, limit: 50 },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: REFETCH_MS,
  });
  return (
    <>
      <div className="row">
        <h1>Campaigns</h1>
        <span className="grow" />
        <CopyCommand words={['campaigns']} />
      </div>
      <FilterBar fields={[{ name: 'tenant', label: 'tenant' }]} values={search} onChange={change} />
      <Fetched query={pages}>
        {({ pages: found }) => {
          const rows = found.flatMap(({ campaigns }) => campaigns);
          if (rows.length === 0) return <Empty title="There is no campaign." />;
          return (
            <Grid
              label="Campaigns"
              columns={COLUMNS}
              rows={rows}
              rowId={({ transaction_id: id }) => id}
              rowName={({ name }) => name}
              onOpen={({ transaction_id: id }) => void navigate({ to: `/campaigns/${id}` as string })}
              hasMore={pages.hasNextPage}
              onMore={() => void pages.fetchNextPage()}
              isFetching={pages.isFetching}
            />
          );
        }}
      </Fetched>
    </>
  );
}
