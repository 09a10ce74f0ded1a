/** Partners of all tenants, or of one. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { ListedDefinition } from '#services/control-api/definitions/list-definitions.ts';
import { get } from '../../api/client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';

interface PartnerPage {
  readonly partners: readonly ListedDefinition[];
  readonly next_cursor: string | null;
}

const PAGE = 200;
const FIELDS = [
  { name: 'tenant', label: 'tenant' },
  { name: 'held', label: 'held by an operator', options: ['true'] },
];
const COLUMNS: readonly Column<ListedDefinition>[] = [
  { id: 'tenant', title: 'Tenant', width: 'minmax(100px, 1fr)', cell: (partner) => partner.customer_id },
  { id: 'partner', title: 'Partner', width: 'minmax(120px, 1fr)', cell: (partner) => partner.name },
  {
    id: 'url',
    title: 'URL',
    width: 'minmax(160px, 2fr)',
    cell: ({ definition }) => <PlainText>{String((definition as { baseUrl?: unknown }).baseUrl ?? '')}</PlainText>,
  },
  {
    id: 'held',
    title: 'Calls',
    width: '150px',
    cell: ({ held }) =>
      typeof held === 'string' ? <StateBadge state={held === 'paused' ? 'paused' : 'open'} /> : 'pass',
  },
  { id: 'version', title: 'Version', width: '80px', isNumber: true, cell: (partner) => partner.version },
  {
    id: 'applied',
    title: 'Applied',
    width: '160px',
    cell: (partner) => <Time at={partner.applied_at} tenant={partner.customer_id} isRelative />,
  },
];

export default function PartnerListView() {
  const [search, change] = useUrlState();
  const { tenant } = search;
  const held = search.held === 'true' ? 'true' : undefined;
  const navigate = useNavigate();
  const partners = useInfiniteQuery({
    queryKey: ['partners', tenant, held],
    queryFn: ({ signal, pageParam }) =>
      get<PartnerPage>('/api/v1/partners', { signal, query: { tenant, held, limit: PAGE, cursor: pageParam } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  return (
    <>
      <div className="row">
        <h1>Partners</h1>
        <span className="grow" />
        <CopyCommand
          words={['partners', ...(tenant ? ['--tenant', tenant] : []), ...(held === undefined ? [] : ['--held'])]}
        />
      </div>
      <FilterBar fields={FIELDS} values={search} onChange={change} />
      <Fetched query={partners}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.partners);
          if (rows.length === 0)
            return <Empty title={held === undefined ? 'No partner.' : 'No partner is paused or held by hand.'} />;
          return (
            <Grid
              label="Partners"
              columns={COLUMNS}
              rows={rows}
              rowId={({ customer_id: owner, name }) => `${owner}/${name}`}
              onOpen={({ customer_id: owner, name }) =>
                void navigate({ to: `/partners/${encodeURIComponent(owner)}/${encodeURIComponent(name)}` } as never)
              }
              hasMore={partners.hasNextPage}
              onMore={() => void partners.fetchNextPage()}
              isFetching={partners.isFetchingNextPage}
            />
          );
        }}
      </Fetched>
    </>
  );
}
