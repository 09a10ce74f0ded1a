/** One action: how far it is, what failed again, and pausing, continuing, ending and approving it. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import type { Action, ActionItemPage } from '#services/control-api/actions/action-reply.ts';
import { get, post } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { whileThere } from '../../api/query-client.ts';
import { Preview } from '../../parts/action-sheet/action-sheet.tsx';
import { VERBS } from '../../parts/action-sheet/verbs.ts';
import { Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { CsvButton } from '../../parts/csv/csv-button.tsx';
import { Grid } from '../../parts/grid/grid.tsx';
import { pagedRows } from '../../parts/grid/paged-rows.ts';
import { JsonView } from '../../parts/json-view.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';
import { sayProblem } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';

const REFETCH_MS = 1_000;
const EXPORTED_PAGE = 200;
const ENDED: ReadonlySet<string> = new Set(['DONE', 'ABORTED']);
const PAUSES: Readonly<Record<string, string>> = {
  CANARY: 'The first ones are done. Look at what happened to them, then continue.',
  FAILING: 'More failed again than was allowed.',
  PERSON: 'Somebody paused it.',
  NOT_APPROVED: 'Nobody approved it in time.',
};

export default function ActionView() {
  const { id = '' } = useParams({ strict: false }) as { id?: string };
  const action = useQuery({
    queryKey: ['action', id],
    queryFn: ({ signal }) =>
      get<Action>(`/api/v1/actions/${encodeURIComponent(id)}`, { signal, headers: { 'x-longshore-background': '1' } }),
    refetchInterval: (query) =>
      query.state.data !== undefined && ENDED.has(query.state.data.state) ? false : whileThere(REFETCH_MS)(query),
  });
  return (
    <Fetched query={action} heading="Action">
      {(found) => <ActionPage action={found} />}
    </Fetched>
  );
}

function ActionPage({ action }: { readonly action: Action }) {
  const { label, permission } = VERBS[action.verb];
  const client = useQueryClient();
  const { data: me } = useMe();
  const say = useMutation({
    mutationFn: (word: string) => post<Action>(`/api/v1/actions/${action.action_id}/${word}`),
    onSuccess: (changed) => {
      client.setQueryData(['action', action.action_id], changed);
      void client.invalidateQueries({ queryKey: ['action', action.action_id] });
    },
    onError: sayProblem,
  });
  const refusal =
    me === undefined || me.permissions.includes(permission)
      ? undefined
      : `Your role, ${me.role}, does not have the permission ${permission}.`;
  const word = (name: string, text: string, why?: string, isFirst = false) => {
    const reason = why ?? refusal;
    return (
      <button
        type="button"
        className={isFirst ? 'primary' : undefined}
        aria-disabled={reason !== undefined}
        title={reason}
        onClick={() => {
          if (reason === undefined) say.mutate(name);
        }}
      >
        {text}
      </button>
    );
  };
  const { state, takes, done, refused, results, pause_reason: pauseReason } = action;
  return (
    <article className="stack">
      <div className="row">
        <h1>
          {label} {countText(takes)}
        </h1>
        <StateBadge state={state} />
        <span className="grow" />
        {state === 'RUNNING' && word('pause', 'Pause')}
        {state === 'PAUSED' && word('resume', 'Continue', undefined, true)}
        {state === 'AWAITING_APPROVAL' &&
          word(
            'approve',
            'Approve',
            me?.actor === action.actor ? 'You ran it: somebody else approves it.' : undefined,
            true,
          )}
        {!ENDED.has(state) && state !== 'PREVIEWED' && word('abort', 'Abort')}
        <CopyCommand words={['actions', 'show', action.action_id]} />
      </div>
      {state === 'AWAITING_APPROVAL' && (
        <p role="status">
          Nothing is done yet: it waits for a second person, for a day. Send the address of this page to somebody who
          may approve it.
        </p>
      )}
      {pauseReason !== null && <p role="status">{PAUSES[pauseReason] ?? pauseReason}</p>}
      <progress max={Math.max(1, takes)} value={done + refused} aria-label="Progress" />
      <p role="status">
        <strong data-testid="done">{countText(done)}</strong> done · {countText(refused)} refused ·{' '}
        {countText(Math.max(0, takes - done - refused))} to do
        {results !== null &&
          done > 0 &&
          ` · of the last ones ${countText(results.ended)} ended, ${countText(results.failing)} failed again, ${countText(results.open)} are open`}
        {action.seconds_left !== null && action.seconds_left > 0 && (
          <> · about {durationText(action.seconds_left * 1_000)} left</>
        )}
      </p>
      <dl>
        <dt>Who</dt>
        <dd>
          <PlainText>{action.actor}</PlainText>
          {action.approved_by !== null && (
            <>
              , approved by <PlainText>{action.approved_by}</PlainText>
            </>
          )}
        </dd>
        <dt>Reason</dt>
        <dd>
          <PlainText>{action.reason ?? '–'}</PlainText>
        </dd>
        <dt>Asked for</dt>
        <dd>
          <Time at={action.started_at} />
        </dd>
        <dt>Ended</dt>
        <dd>
          <Time at={action.finished_at} />
        </dd>
        <dt>Scope</dt>
        <dd>
          <JsonView value={action.filter} />
        </dd>
      </dl>
      <Preview action={action} />
      <Items actionId={action.action_id} />
    </article>
  );
}

function Items({ actionId }: { readonly actionId: string }) {
  const [search, change] = useUrlState();
  const state = search.items ?? 'refused';
  const readPage = (page: { cursor: string | undefined; limit: number }, signal: AbortSignal) =>
    get<ActionItemPage>(`/api/v1/actions/${actionId}/items`, { query: { state, ...page }, signal });
  const pages = useInfiniteQuery({
    queryKey: ['action-items', actionId, state],
    queryFn: ({ pageParam, signal }) => readPage({ cursor: pageParam, limit: 100 }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  const rows = pagedRows(pages.data?.pages.map(({ items }) => items) ?? []);
  return (
    <section className="stack" aria-label="What happened to each">
      <div className="row">
        <label className="row">
          Show those that are
          <select value={state} onChange={(event) => change({ items: event.target.value }, true)}>
            {['refused', 'done', 'open'].map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        {rows.length > 0 && (
          <CsvButton<ActionItemPage['items'][number]>
            name={`action-${state}`}
            headings={['id', 'tenant', 'file', 'file_id', 'state', 'code']}
            cellsOf={(item) => [item.id, item.tenant, item.file_name, item.file_id, item.state, item.code]}
            readPage={async (cursor, signal) => {
              const { items, next_cursor: next } = await readPage({ cursor, limit: EXPORTED_PAGE }, signal);
              return { rows: items, next };
            }}
          />
        )}
      </div>
      {rows.length === 0 ? (
        <p className="muted">None.</p>
      ) : (
        <Grid
          label="Items"
          rows={rows}
          rowId={({ id }) => id}
          columns={[
            {
              id: 'file',
              title: 'File',
              width: 'minmax(200px, 1fr)',
              cell: ({ file_id: fileId, file_name: name }) =>
                fileId !== null && (
                  <Link to={`/files/${fileId}` as string}>
                    <PlainText>{name}</PlainText>
                  </Link>
                ),
            },
            { id: 'id', title: 'Id', width: '300px', cell: ({ id }) => <code>{id}</code> },
            { id: 'state', title: 'State', width: '140px', cell: (item) => <StateBadge state={item.state} /> },
            { id: 'code', title: 'Why', width: 'minmax(200px, 1fr)', cell: ({ code }) => <code>{code}</code> },
          ]}
          hasMore={pages.hasNextPage}
          onMore={() => void pages.fetchNextPage()}
          isFetching={pages.isFetching}
        />
      )}
    </section>
  );
}
