/** Jobs by what they wait for or fail with: those that are held for a person first of all, with the verbs that let them go. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { JobPage } from '#services/control-api/jobs/find-jobs.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { get } from '../../api/client.ts';
import { useLivePages } from '../../api/live-pages.ts';
import { type Scope, VerbButtons } from '../../parts/action-sheet/verb-buttons.tsx';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { CsvButton } from '../../parts/csv/csv-button.tsx';
import { FaultText } from '../../parts/fault-text.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { pagedRows } from '../../parts/grid/paged-rows.ts';
import { jobName } from '../../parts/job-tree.ts';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { countText, Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';

type Job = JobPage['jobs'][number];

const FILTERS = ['held', 'state', 'wait_reason', 'tenant', 'route', 'code', 'cause'] as const;
const STATES = ['WAITING', 'FAILED', 'RUNNING', 'PENDING', 'CANCELLED', 'SUCCEEDED'];
const VERBS: readonly ActionVerb[] = ['release', 'reject', 'retry', 'cancel'];
const PAGE = 100;
const EXPORTED_PAGE = 200;

const COLUMNS: readonly Column<Job>[] = [
  {
    id: 'state',
    title: 'State',
    width: '120px',
    cell: ({ state, wait_reason: why }) => <StateBadge state={why === 'HELD' ? 'held' : state} />,
  },
  {
    id: 'file',
    title: 'File',
    width: 'minmax(200px, 2fr)',
    cell: ({ file_id: id, file_name: name }) => (
      <Link to={`/files/${id}` as string} tabIndex={-1}>
        <PlainText>{name}</PlainText>
      </Link>
    ),
  },
  { id: 'tenant', title: 'Tenant', width: 'minmax(90px, 1fr)', cell: ({ customer_id: tenant }) => tenant },
  { id: 'route', title: 'Route', width: 'minmax(90px, 1fr)', cell: jobName },
  { id: 'step', title: 'Step', width: '100px', cell: ({ step }) => step },
  {
    id: 'waits',
    title: 'Waits for',
    width: '130px',
    cell: ({ wait_reason: reason }) =>
      reason === 'HELD' ? 'a person' : (reason?.toLowerCase().replace('_', ' ') ?? ''),
  },
  {
    id: 'since',
    title: 'Since',
    width: '110px',
    cell: (job) => <Time at={job.created_at} tenant={job.customer_id} isRelative />,
  },
  {
    id: 'why',
    title: 'Why',
    width: 'minmax(200px, 3fr)',
    cell: ({ error }) => <FaultText fault={error} />,
  },
];

export default function JobsView() {
  const [search, change] = useUrlState();
  const navigate = useNavigate();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const filters = Object.fromEntries(FILTERS.map((name) => [name, search[name]]));
  const isFiltered = Object.values(filters).some(Boolean);
  const readPage = (query: { readonly limit: number; readonly cursor: string | undefined }, signal: AbortSignal) =>
    get<JobPage>('/api/v1/jobs', {
      query: { ...filters, ...query },
      headers: { 'x-longshore-background': '1' },
      signal,
    });
  const pages = useInfiniteQuery({
    queryKey: ['jobs', filters],
    queryFn: ({ pageParam, signal }) => readPage({ limit: PAGE, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  useLivePages(pages, selected.size > 0);

  function scopeOf(): Scope {
    if (selected.size > 0) return { filter: { ids: [...selected] } };
    if (!isFiltered) return { refusal: 'Select jobs, or set a filter first.' };
    const { held, state, ...others } = filters;
    return {
      filter: {
        ...Object.fromEntries(Object.entries(others).filter(([, value]) => value)),
        ...(state && { state: state.split(',') }),
        ...(held === 'true' && { held: true }),
      },
    };
  }

  return (
    <>
      <div className="row">
        <h1>Jobs</h1>
        <span className="grow" />
        <CsvButton<Job>
          name="jobs"
          headings={[
            'job',
            'file',
            'name',
            'tenant',
            'route',
            'state',
            'step',
            'waits for',
            'code',
            'cause',
            'message',
            'created',
          ]}
          cellsOf={(job) => [
            job.job_id,
            job.file_id,
            job.file_name,
            job.customer_id,
            job.route,
            job.state,
            job.step,
            job.wait_reason,
            job.error?.code,
            job.error?.cause,
            job.error?.message,
            job.created_at,
          ]}
          readPage={async (cursor, signal) => {
            const { jobs, next_cursor: next } = await readPage({ limit: EXPORTED_PAGE, cursor }, signal);
            return { rows: jobs, next };
          }}
        />
        <CopyCommand words={['jobs', ...commandWords(filters)]} />
      </div>
      <FilterBar
        fields={[
          { name: 'held', label: 'held for a person', options: ['true'] },
          { name: 'state', label: 'state', options: STATES },
          {
            name: 'wait_reason',
            label: 'waits for',
            options: ['HELD', 'RECORDS', 'BRANCHES', 'ANY_BRANCH', 'PARTNER_PAUSED', 'PARTNER_BREAKER_OPEN'],
          },
          { name: 'tenant', label: 'tenant' },
          { name: 'route', label: 'route' },
          { name: 'code', label: 'code' },
          { name: 'cause', label: 'cause' },
        ]}
        values={filters}
        onChange={(changes) => {
          setSelected(new Set());
          change(changes);
        }}
      />
      <div className="row">
        <span>
          {selected.size > 0 ? `${countText(selected.size)} selected` : isFiltered ? 'Everything that matches' : ''}
        </span>
        <VerbButtons
          verbs={VERBS}
          scopeOf={scopeOf}
          onRun={() => {
            setSelected(new Set());
            void pages.refetch();
          }}
        />
      </div>
      <Fetched query={pages}>
        {({ pages: found }) => {
          const rows = pagedRows(found.map(({ jobs }) => jobs));
          if (rows.length === 0)
            return <Empty title={search.held === 'true' ? 'Nothing is held for a person.' : 'No job matches.'} />;
          return (
            <Grid
              label="Jobs"
              columns={COLUMNS}
              rows={rows}
              rowId={({ job_id: id }) => id}
              rowName={({ file_name: name }) => name}
              onOpen={({ file_id: id }) => void navigate({ to: `/files/${id}` as string })}
              selection={{ ids: selected, onChange: setSelected }}
              hasMore={pages.hasNextPage}
              onMore={() => void pages.fetchNextPage()}
              isFetching={pages.isFetchingNextPage}
            />
          );
        }}
      </Fetched>
    </>
  );
}

function commandWords({ held, ...others }: Readonly<Record<string, string | undefined>>): string[] {
  return [
    ...(held === 'true' ? ['--held'] : []),
    ...Object.entries(others).flatMap(([name, value]) => (value ? [`--${name.replace('_', '-')}`, value] : [])),
  ];
}
