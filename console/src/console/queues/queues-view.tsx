/** Queues, and the dead letters that wait for a person: look at one, send them again, discard them. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { DeadLetterPage } from '#services/control-api/operations/find-dead-letters.ts';
import type { Health } from '#services/control-api/operations/find-health.ts';
import { get } from '../../api/client.ts';
import { perPage } from '../../api/query-client.ts';
import { VerbButtons } from '../../parts/action-sheet/verb-buttons.tsx';
import { Empty, Failed, Fetched, Loading } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { ParkedNotices } from '../../parts/notices/parked-notices.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { LetterDialog } from './letter-dialog.tsx';

type Letter = DeadLetterPage['dead_letters'][number];

const REFETCH_MS = 5_000;
const BACKGROUND = { 'x-longshore-background': '1' };

const COLUMNS: readonly Column<Letter>[] = [
  { id: 'state', title: 'State', width: '130px', cell: ({ state }) => <StateBadge state={state} /> },
  { id: 'queue', title: 'Queue', width: '130px', cell: ({ queue }) => queue },
  { id: 'tenant', title: 'Tenant', width: '140px', cell: ({ customer_id: tenant }) => tenant ?? '–' },
  { id: 'reason', title: 'Reason', width: 'minmax(180px, 2fr)', cell: ({ reason }) => <PlainText>{reason}</PlainText> },
  { id: 'receives', title: 'Receives', width: '90px', isNumber: true, cell: (letter) => letter.receive_count },
  { id: 'when', title: 'When', width: '160px', cell: (letter) => <Time at={letter.created_at} /> },
];

export default function QueuesView() {
  const [search, change] = useUrlState();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const { state = 'parked', queue, tenant, letter } = search;
  const health = useQuery({
    queryKey: ['health'],
    queryFn: ({ signal }) => get<Health>('/api/v1/health', { headers: BACKGROUND, signal }),
    refetchInterval: REFETCH_MS,
  });
  const pages = useInfiniteQuery({
    queryKey: ['dead-letters', state, queue, tenant],
    queryFn: ({ pageParam, signal }) =>
      get<DeadLetterPage>('/api/v1/dead-letters', {
        query: { state, queue, tenant, cursor: pageParam, limit: 100 },
        headers: BACKGROUND,
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: perPage(REFETCH_MS),
  });
  const rows = pages.data?.pages.flatMap(({ dead_letters: letters }) => letters) ?? [];
  return (
    <>
      <div className="row">
        <h1>Queues</h1>
        <span className="grow" />
        <CopyCommand words={['dead-letters', '--state', state]} />
      </div>
      <Fetched query={health}>{({ queues }) => <Depths queues={queues} />}</Fetched>
      <h2>Dead letters</h2>
      <FilterBar
        fields={[
          { name: 'state', label: 'state', options: ['parked', 'redriven', 'discarded'] },
          { name: 'queue', label: 'queue', options: health.data?.queues.map((each) => each.queue) },
          { name: 'tenant', label: 'tenant' },
        ]}
        values={search}
        onChange={(changes) => {
          setSelected(new Set());
          change(changes);
        }}
      />
      <div className="row">
        <span>{countText(selected.size)} selected</span>
        <VerbButtons
          verbs={['redrive', 'discard']}
          scopeOf={() =>
            selected.size === 0 ? { refusal: 'Select dead letters first.' } : { filter: { ids: [...selected] } }
          }
          onRun={() => {
            setSelected(new Set());
            void pages.refetch();
          }}
        />
      </div>
      {pages.data === undefined ? (
        pages.error === null ? (
          <Loading />
        ) : (
          <Failed error={pages.error} onRetry={() => void pages.refetch()} />
        )
      ) : rows.length === 0 ? (
        <Empty title="No dead letter matches." />
      ) : (
        <Grid
          label="Dead letters"
          columns={COLUMNS}
          rows={rows}
          rowId={({ dead_letter_id: id }) => id}
          onOpen={({ dead_letter_id: id }) => change({ letter: id })}
          selection={{ ids: selected, onChange: setSelected }}
          hasMore={pages.hasNextPage}
          onMore={() => void pages.fetchNextPage()}
          isFetching={pages.isFetching}
        />
      )}
      {letter !== undefined && (
        <LetterDialog
          key={letter}
          id={letter}
          onClose={() => change({ letter: undefined })}
          onChanged={() => void pages.refetch()}
        />
      )}
      <ParkedNotices />
    </>
  );
}

function Depths({ queues }: { readonly queues: Health['queues'] }) {
  return (
    <table>
      <thead>
        <tr>
          {['Queue', 'Waiting', 'Dead', 'Oldest due'].map((title) => (
            <th key={title} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {queues.map(({ queue, messages, dead_letters: dead, oldest_due_seconds: oldest }) => (
          <tr key={queue}>
            <th scope="row">{queue}</th>
            <td>{messages === null ? 'no answer' : countText(messages)}</td>
            <td>{dead === null ? '–' : countText(dead)}</td>
            <td>{oldest === null ? '–' : durationText(oldest * 1_000)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
