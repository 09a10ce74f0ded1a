/** Changes that somebody proposes, newest first. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import type { Proposal, ProposalPage } from '#services/control-api/proposals/proposal-reply.ts';
import { get } from '../../api/client.ts';
import { perPage } from '../../api/query-client.ts';
import { Empty, Failed, Loading } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { pagedRows } from '../../parts/grid/paged-rows.ts';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { badgeOf, changeText } from './change-text.ts';

const STATES = ['open', 'applied', 'rejected', 'expired'];
const REFETCH_MS = 10_000;

const COLUMNS: readonly Column<Proposal>[] = [
  { id: 'state', title: 'State', width: '130px', cell: ({ state }) => <StateBadge state={badgeOf(state)} /> },
  {
    id: 'change',
    title: 'Change',
    width: 'minmax(220px, 2fr)',
    cell: (proposal) => (
      <Link to={`/proposals/${proposal.proposal_id}` as string} tabIndex={-1}>
        <PlainText>{changeText(proposal)}</PlainText>
      </Link>
    ),
  },
  { id: 'who', title: 'Who', width: 'minmax(140px, 1fr)', cell: ({ proposed_by: by }) => <PlainText>{by}</PlainText> },
  { id: 'reason', title: 'Reason', width: 'minmax(180px, 2fr)', cell: ({ reason }) => <PlainText>{reason}</PlainText> },
  { id: 'when', title: 'When', width: '160px', cell: ({ created_at: at }) => <Time at={at} /> },
];

export default function ProposalsView() {
  const [search, change] = useUrlState();
  const navigate = useNavigate();
  const { state } = search;
  const pages = useInfiniteQuery({
    queryKey: ['proposals', state],
    queryFn: ({ pageParam, signal }) =>
      get<ProposalPage>('/api/v1/proposals', {
        query: { state, cursor: pageParam, limit: 100 },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: perPage(REFETCH_MS),
  });
  const rows = pagedRows(pages.data?.pages.map(({ proposals }) => proposals) ?? []);
  return (
    <>
      <div className="row">
        <h1>Proposals</h1>
        <span className="grow" />
        <CopyCommand words={['proposals', ...(state ? ['--state', state] : [])]} />
      </div>
      <FilterBar fields={[{ name: 'state', label: 'state', options: STATES }]} values={search} onChange={change} />
      {pages.data === undefined ? (
        pages.error === null ? (
          <Loading />
        ) : (
          <Failed error={pages.error} onRetry={() => void pages.refetch()} />
        )
      ) : rows.length === 0 ? (
        <Empty title={state === undefined ? 'Nothing has been proposed.' : `No proposal is ${state}.`}>
          <p>An operator proposes a change of a route or a partner where its page says Propose.</p>
        </Empty>
      ) : (
        <Grid
          label="Proposals"
          columns={COLUMNS}
          rows={rows}
          rowId={({ proposal_id: id }) => id}
          onOpen={({ proposal_id: id }) => void navigate({ to: `/proposals/${id}` as string })}
          hasMore={pages.hasNextPage}
          onMore={() => void pages.fetchNextPage()}
          isFetching={pages.isFetching}
        />
      )}
    </>
  );
}
