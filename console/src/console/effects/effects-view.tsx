/** Effects at targets outside about which nobody can say whether they were had, and a person's decision about each. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { EffectPage } from '#services/control-api/effects/find-effects.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { perPage } from '../../api/query-client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { JsonView } from '../../parts/json-view.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { Time } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';

type Effect = EffectPage['effects'][number];

const REFETCH_MS = 5_000;

const WORDS = [
  { as: 'done', label: 'Done…', means: 'The target has it. The job continues after this step.' },
  { as: 'not-done', label: 'Not done…', means: 'The target does not have it. It is done again with the same key.' },
  { as: 'resend', label: 'Resend…', means: 'It is sent as new, with a new key, once a second person has approved.' },
] as const;
type Word = (typeof WORDS)[number];

const COLUMNS: readonly Column<Effect>[] = [
  { id: 'tenant', title: 'Tenant', width: '130px', cell: ({ customer_id: tenant }) => tenant },
  { id: 'step', title: 'Step', width: '100px', cell: ({ step }) => step },
  { id: 'route', title: 'Route', width: 'minmax(120px, 1fr)', cell: ({ route }) => route },
  {
    id: 'file',
    title: 'File',
    width: 'minmax(180px, 2fr)',
    cell: ({ file_id: id, file_name: name }) => (
      <Link to={`/files/${id}` as string} tabIndex={-1}>
        <PlainText>{name}</PlainText>
      </Link>
    ),
  },
  {
    id: 'since',
    title: 'Since',
    width: '160px',
    cell: (effect) => <Time at={effect.since} tenant={effect.customer_id} />,
  },
  { id: 'job', title: 'Job', width: '120px', cell: (effect) => effect.job_state.toLowerCase() },
];

export default function EffectsView() {
  const [search, change] = useUrlState();
  const { tenant, kind, effect: openId } = search;
  const pages = useInfiniteQuery({
    queryKey: ['effects', tenant, kind],
    queryFn: ({ pageParam, signal }) =>
      get<EffectPage>('/api/v1/effects', {
        query: { stage: 'unknown', tenant, kind, cursor: pageParam, limit: 100 },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: perPage(REFETCH_MS),
  });
  const close = () => change({ effect: undefined });
  return (
    <>
      <div className="row">
        <h1>Effects in doubt</h1>
        <span className="grow" />
        <CopyCommand words={['effects']} />
      </div>
      <p>Ask the target whether it has each of them, by its key, and say so here.</p>
      <FilterBar
        fields={[
          { name: 'tenant', label: 'tenant' },
          { name: 'kind', label: 'step', options: ['load', 'post', 'push', 'publish', 'mail'] },
        ]}
        values={search}
        onChange={change}
      />
      <Fetched query={pages}>
        {({ pages: found }) => {
          const rows = found.flatMap(({ effects }) => effects);
          const shown = rows.find(({ effect_id: id }) => id === openId);
          return (
            <>
              {rows.length === 0 ? (
                <Empty title="No effect is in doubt." />
              ) : (
                <Grid
                  label="Effects in doubt"
                  columns={COLUMNS}
                  rows={rows}
                  rowId={({ effect_id: id }) => id}
                  rowName={({ file_name: name }) => name}
                  onOpen={({ effect_id: id }) => change({ effect: id })}
                  hasMore={pages.hasNextPage}
                  onMore={() => void pages.fetchNextPage()}
                  isFetching={pages.isFetching}
                />
              )}
              {shown !== undefined && (
                <EffectDialog
                  key={shown.effect_id}
                  effect={shown}
                  onClose={close}
                  onSaid={() => void pages.refetch()}
                />
              )}
            </>
          );
        }}
      </Fetched>
    </>
  );
}

interface EffectDialogProps {
  readonly effect: Effect;
  readonly onClose: () => void;
  readonly onSaid: () => void;
}

function EffectDialog({ effect, onClose, onSaid }: EffectDialogProps) {
  const [word, setWord] = useState<Word>();
  const refusal = useRefusal('effects:resend');
  const { effect_id: id, step, file_name: name } = effect;

  async function resolve(as: Word['as'], reason: string): Promise<void> {
    const { action } = await post<{ action: object | null }>(`/api/v1/effects/${id}/resolve`, { as, reason });
    say(action === null ? 'Noted.' : 'A second person has to approve it, under Actions.');
    onSaid();
    onClose();
  }

  if (word !== undefined)
    return (
      <ReasonDialog
        title={`${step} of ${name}`}
        verb={word.label.replace('…', '')}
        words={['effects', 'resolve', id, '--as', word.as]}
        act={(reason) => resolve(word.as, reason)}
        onClose={() => setWord(undefined)}
      >
        <p>{word.means}</p>
      </ReasonDialog>
    );
  return (
    <Dialog
      title={`${step} of ${name}`}
      isWide
      onClose={onClose}
      actions={WORDS.map((each) => (
        <button
          key={each.as}
          type="button"
          disabled={refusal !== undefined}
          title={refusal ?? each.means}
          onClick={() => setWord(each)}
        >
          {each.label}
        </button>
      ))}
    >
      <p>
        Key <code>{effect.key}</code>
      </p>
      <JsonView value={effect.facts} />
    </Dialog>
  );
}
