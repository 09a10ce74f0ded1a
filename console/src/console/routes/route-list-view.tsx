/** Routes of all tenants, or of one. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { RoutePage } from '#services/control-api/definitions/find-routes.ts';
import { get } from '../../api/client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { globsOf } from '../../parts/globs-of.ts';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';

type Route = RoutePage['routes'][number];

const PAGE = 200;
const COLUMNS: readonly Column<Route>[] = [
  { id: 'state', title: 'State', width: '110px', cell: (route) => <StateBadge state={stateOf(route)} /> },
  { id: 'tenant', title: 'Tenant', width: 'minmax(100px, 1fr)', cell: (route) => route.customer_id },
  { id: 'route', title: 'Route', width: 'minmax(120px, 1fr)', cell: (route) => route.name },
  {
    id: 'takes',
    title: 'Takes',
    width: 'minmax(160px, 2fr)',
    cell: (route) => <PlainText>{globsOf(route.definition).join(', ')}</PlainText>,
  },
  { id: 'version', title: 'Version', width: '80px', isNumber: true, cell: (route) => route.version },
  {
    id: 'applied',
    title: 'Applied',
    width: '160px',
    cell: (route) => <Time at={route.applied_at} tenant={route.customer_id} isRelative />,
  },
  { id: 'by', title: 'By', width: 'minmax(120px, 1fr)', cell: (route) => <PlainText>{route.applied_by}</PlainText> },
];

export default function RouteListView() {
  const [{ tenant }, change] = useUrlState();
  const navigate = useNavigate();
  const routes = useInfiniteQuery({
    queryKey: ['routes', tenant],
    queryFn: ({ signal, pageParam }) =>
      get<RoutePage>('/api/v1/routes', { signal, query: { tenant, limit: PAGE, cursor: pageParam } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  return (
    <>
      <h1>Routes</h1>
      <div className="row">
        <label>
          Tenant{' '}
          <input
            defaultValue={tenant ?? ''}
            placeholder="all"
            onKeyDown={(event) => {
              if (event.key === 'Enter') change({ tenant: event.currentTarget.value.trim() });
            }}
            onBlur={(event) => {
              const wanted = event.currentTarget.value.trim();
              if (wanted !== (tenant ?? '')) change({ tenant: wanted });
            }}
          />
        </label>
        <CopyCommand words={['routes', ...(tenant ? ['--tenant', tenant] : [])]} />
      </div>
      <Fetched query={routes}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.routes);
          if (rows.length === 0)
            return (
              <Empty title="No route.">
                <p>
                  A route says which files of a tenant are taken, and what is done with them. Begin with an example of{' '}
                  <code>examples/</code> and apply it: <code>longshore apply -f routes.yaml</code>
                </p>
              </Empty>
            );
          return (
            <Grid
              label="Routes"
              columns={COLUMNS}
              rows={rows}
              rowId={({ route_id: id }) => id}
              rowName={({ customer_id: owner, name }) => `${owner}/${name}`}
              onOpen={({ customer_id: owner, name }) =>
                void navigate({ to: `/routes/${encodeURIComponent(owner)}/${encodeURIComponent(name)}` } as never)
              }
              hasMore={routes.hasNextPage}
              onMore={() => void routes.fetchNextPage()}
              isFetching={routes.isFetchingNextPage}
            />
          );
        }}
      </Fetched>
    </>
  );
}

function stateOf({ removed_at: removedAt, disabled_at: disabledAt }: Route): string {
  if (removedAt !== null) return 'removed';
  return disabledAt === null ? 'active' : 'disabled';
}
