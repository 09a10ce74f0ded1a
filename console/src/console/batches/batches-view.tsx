/** Batches: files that a route takes together, the newest first. */
import { useNavigate } from '@tanstack/react-router';
import type { BatchPage } from '#services/control-api/batches/find-batches.ts';
import { Empty } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import type { Column } from '../../parts/grid/grid.tsx';
import { PagedGrid } from '../../parts/grid/paged-grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { BatchState, filesText } from './batch-words.tsx';

type Batch = BatchPage['batches'][number];

const REFETCH_MS = 5_000;
const FILTERS = ['state', 'tenant', 'route'] as const;
const STATES = ['open', 'running', 'succeeded', 'failed'];

const COLUMNS: readonly Column<Batch>[] = [
  { id: 'state', title: 'State', width: '130px', cell: (batch) => <BatchState batch={batch} /> },
  { id: 'tenant', title: 'Tenant', width: 'minmax(100px, 1fr)', cell: ({ customer_id: tenant }) => tenant },
  { id: 'route', title: 'Route', width: 'minmax(120px, 1fr)', cell: ({ route }) => route },
  {
    id: 'directory',
    title: 'Directory',
    width: 'minmax(140px, 2fr)',
    cell: ({ directory }) => (directory === null ? 'all of the route' : <PlainText>{directory}</PlainText>),
  },
  { id: 'files', title: 'Files', width: 'minmax(140px, 1fr)', cell: filesText },
  {
    id: 'missing',
    title: 'Missing',
    width: '90px',
    isNumber: true,
    cell: ({ missing }) => (missing.length === 0 ? '' : `▲ ${missing.length}`),
  },
  {
    id: 'opened',
    title: 'Opened',
    width: '160px',
    cell: ({ opened_at: at, customer_id: tenant }) => <Time at={at} tenant={tenant} isRelative />,
  },
  {
    id: 'closes',
    title: 'Closed',
    width: '190px',
    cell: ({ closed_at: at, closed_by: by, closes_at: until, customer_id: tenant }) =>
      at !== null ? (
        <>
          <Time at={at} tenant={tenant} /> by {by}
        </>
      ) : until === null ? (
        'when complete'
      ) : (
        <>
          at <Time at={until} tenant={tenant} />
        </>
      ),
  },
];

export default function BatchesView() {
  const [search, change] = useUrlState();
  const navigate = useNavigate();
  const filters = Object.fromEntries(FILTERS.map((name) => [name, search[name]]));
  const hasFilters = Object.values(filters).some(Boolean);
  return (
    <>
      <div className="row">
        <h1>Batches</h1>
        <span className="grow" />
        <CopyCommand
          words={['batches', ...FILTERS.flatMap((name) => (filters[name] ? [`--${name}`, filters[name]] : []))]}
        />
      </div>
      <FilterBar
        fields={FILTERS.map((name) => ({ name, label: name, ...(name === 'state' && { options: STATES }) }))}
        values={filters}
        onChange={change}
      />
      <PagedGrid
        label="Batches"
        path="/api/v1/batches"
        query={filters}
        rowsOf={({ batches }: BatchPage) => batches}
        columns={COLUMNS}
        rowId={({ batch_id: id }) => id}
        rowName={({ route, opened_at: at }) => `${route}, ${at}`}
        onOpen={({ batch_id: id }) => void navigate({ to: `/batches/${id}` as string })}
        againMs={REFETCH_MS}
        empty={
          hasFilters ? (
            <Empty title="No batch matches." />
          ) : (
            <Empty title="There has been no batch.">
              <p>
                A route with <code>batch</code> gathers files, and takes them together when they are complete.
              </p>
            </Empty>
          )
        }
      />
    </>
  );
}
