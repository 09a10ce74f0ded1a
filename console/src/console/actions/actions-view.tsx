/** Actions on sets, newest first. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import type { ActionPage, ActionSummary } from '#services/control-api/actions/action-reply.ts';
import { get } from '../../api/client.ts';
import { perPage } from '../../api/query-client.ts';
import { VERBS } from '../../parts/action-sheet/verbs.ts';
import { Empty, Failed, Loading } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { CsvButton } from '../../parts/csv/csv-button.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { pagedRows } from '../../parts/grid/paged-rows.ts';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { countText, Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';

const STATES = ['running', 'paused', 'awaiting_approval', 'done', 'aborted', 'previewed'];
const REFETCH_MS = 3_000;

const COLUMNS: readonly Column<ActionSummary>[] = [
  { id: 'state', title: 'State', width: '190px', cell: ({ state }) => <StateBadge state={state} /> },
  {
    id: 'verb',
    title: 'Action',
    width: '140px',
    cell: ({ action_id: id, verb }) => (
      <Link to={`/actions/${id}` as string} tabIndex={-1}>
        {VERBS[verb].label}
      </Link>
    ),
  },
  {
    id: 'progress',
    title: 'Done',
    width: '130px',
    isNumber: true,
    cell: ({ done, takes }) => `${countText(done)} of ${countText(takes)}`,
  },
  { id: 'refused', title: 'Refused', width: '90px', isNumber: true, cell: ({ refused }) => countText(refused) },
  { id: 'who', title: 'Who', width: 'minmax(140px, 1fr)', cell: ({ actor }) => <PlainText>{actor}</PlainText> },
  { id: 'reason', title: 'Reason', width: 'minmax(180px, 2fr)', cell: ({ reason }) => <PlainText>{reason}</PlainText> },
  { id: 'when', title: 'When', width: '160px', cell: ({ created_at: at }) => <Time at={at} /> },
];

export default function ActionsView() {
  const [search, change] = useUrlState();
  const navigate = useNavigate();
  const { state, verb } = search;
  const readPage = (cursor: string | undefined, signal: AbortSignal) =>
    get<ActionPage>('/api/v1/actions', {
      query: { state, verb, cursor, limit: 100 },
      headers: { 'x-longshore-background': '1' },
      signal,
    });
  const pages = useInfiniteQuery({
    queryKey: ['actions', state, verb],
    queryFn: ({ pageParam, signal }) => readPage(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: perPage(REFETCH_MS),
  });
  const rows = pagedRows(pages.data?.pages.map(({ actions }) => actions) ?? []);
  return (
    <>
      <div className="row">
        <h1>Actions</h1>
        <span className="grow" />
        <CsvButton<ActionSummary>
          name="actions"
          headings={['action', 'verb', 'state', 'takes', 'done', 'refused', 'who', 'approved by', 'reason', 'created']}
          cellsOf={(action) => [
            ...[action.action_id, action.verb, action.state, action.takes, action.done, action.refused],
            ...[action.actor, action.approved_by, action.reason, action.created_at],
          ]}
          readPage={async (cursor, signal) => {
            const { actions, next_cursor: next } = await readPage(cursor, signal);
            return { rows: actions, next };
          }}
        />
        <CopyCommand words={['actions', ...(state ? ['--state', state] : []), ...(verb ? ['--verb', verb] : [])]} />
      </div>
      <FilterBar
        fields={[
          { name: 'state', label: 'state', options: STATES },
          { name: 'verb', label: 'action', options: Object.keys(VERBS) },
        ]}
        values={search}
        onChange={change}
      />
      {pages.data === undefined ? (
        pages.error === null ? (
          <Loading />
        ) : (
          <Failed error={pages.error} onRetry={() => void pages.refetch()} />
        )
      ) : rows.length === 0 ? (
        <Empty title="No action yet.">
          <p>
            Select files in the <Link to={'/files' as string}>list</Link> to retry, reroute or cancel them as a set.
          </p>
        </Empty>
      ) : (
        <Grid
          label="Actions"
          columns={COLUMNS}
          rows={rows}
          rowId={({ action_id: id }) => id}
          onOpen={({ action_id: id }) => void navigate({ to: `/actions/${id}` as string })}
          hasMore={pages.hasNextPage}
          onMore={() => void pages.fetchNextPage()}
          isFetching={pages.isFetching}
        />
      )}
    </>
  );
}
