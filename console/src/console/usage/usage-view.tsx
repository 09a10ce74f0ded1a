/** What each tenant used, a row per day, and added up. */
import { useQuery } from '@tanstack/react-query';
import prettyBytes from 'pretty-bytes';
import type { UsageOfDay } from '#shared/api/usage.ts';
import { get, queryText } from '../../api/client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { countText } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { totalsOf } from './usage-totals.ts';

const FILTERS = [
  { name: 'tenant', label: 'tenant' },
  { name: 'from', label: 'from', placeholder: '2026-01-31' },
  { name: 'to', label: 'to', placeholder: '2026-01-31' },
];
const COUNTED = ['files', 'records', 'mails', 'calls'] as const;

const NUMBERS: readonly Column<Omit<UsageOfDay, 'day'>>[] = [
  { id: 'tenant', title: 'Tenant', width: 'minmax(120px, 2fr)', cell: ({ tenant }) => tenant },
  ...COUNTED.map((id) => ({
    id,
    title: `${id.charAt(0).toUpperCase()}${id.slice(1)}`,
    width: 'minmax(90px, 1fr)',
    isNumber: true,
    cell: (row: Omit<UsageOfDay, 'day'>) => countText(row[id]),
  })),
  {
    id: 'bytes',
    title: 'Size of files',
    width: 'minmax(110px, 1fr)',
    isNumber: true,
    cell: ({ bytes }) => prettyBytes(bytes),
  },
];
const COLUMNS: readonly Column<UsageOfDay>[] = [
  { id: 'day', title: 'Day (UTC)', width: '110px', cell: ({ day }) => day },
  ...NUMBERS,
];

export default function UsageView() {
  const [search, change] = useUrlState();
  const filters = Object.fromEntries(FILTERS.map(({ name }) => [name, search[name]]));
  const usage = useQuery({
    queryKey: ['usage', filters],
    queryFn: ({ signal }) => get<{ usage: UsageOfDay[] }>('/api/v1/usage', { query: filters, signal }),
  });
  return (
    <>
      <div className="row">
        <h1>Usage</h1>
        <span className="grow" />
        <a href={`/api/v1/usage${queryText({ ...filters, format: 'csv' })}`} download>
          Export CSV
        </a>
        <CopyCommand
          words={['usage', ...FILTERS.flatMap(({ name }) => (filters[name] ? [`--${name}`, filters[name]] : []))]}
        />
      </div>
      <FilterBar fields={FILTERS} values={filters} onChange={change} />
      <Fetched query={usage}>
        {({ usage: days }) =>
          days.length === 0 ? (
            <Empty title="Nothing was used in these days.">
              <p>Without filters the last 30 days are shown. A day counts once its audit is sealed, seconds later.</p>
            </Empty>
          ) : (
            <div className="stack">
              <h2>By tenant</h2>
              <Grid label="Usage by tenant" columns={NUMBERS} rows={totalsOf(days)} rowId={({ tenant }) => tenant} />
              <h2>By day</h2>
              <Grid
                label="Usage by day"
                columns={COLUMNS}
                rows={days.toReversed()}
                rowId={({ day, tenant }) => `${day} ${tenant}`}
                rowName={({ day, tenant }) => `${tenant}, ${day}`}
              />
            </div>
          )
        }
      </Fetched>
    </>
  );
}
