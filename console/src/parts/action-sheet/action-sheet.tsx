/**
 * One dialog for every verb on a set: scope, preview, pace, reason, do.
 *
 * 1. The server counts, from the filter that is shown, and freezes the set: what arrives later is not in it.
 * 2. A preview runs once, however often the button is pressed, for ten minutes.
 * 3. Nothing typed is lost when a call fails.
 */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useId, useState } from 'react';
import type { Action } from '#services/control-api/actions/action-reply.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { post } from '../../api/client.ts';
import { problemOf } from '../../api/problem.ts';
import { Failed, Loading } from '../conditions.tsx';
import { CopyCommand } from '../copy-command.tsx';
import { Dialog } from '../dialog.tsx';
import { PlainText } from '../plain-text.tsx';
import { countText, durationText } from '../time.tsx';
import styles from './action-sheet.module.css';
import { VERBS } from './verbs.ts';

/** As the API's filter of actions. */
export type ActionFilter = Readonly<Record<string, string | readonly string[] | boolean | undefined>>;

export interface ActionToPlan {
  readonly verb: ActionVerb;
  readonly filter: ActionFilter;
}

interface ActionSheetProps extends ActionToPlan {
  readonly onClose: () => void;
  /** Gets the action as it began to run, or waits for approval. */
  readonly onRun: (action: Action) => void;
}

const TYPED_OVER = 100;
const CANARY = 10;
const FASTEST = 1_000;
const MOST_REASON = 500;

export function ActionSheet({ verb, filter, onClose, onRun }: ActionSheetProps) {
  const { label, meaning, canFail, isGrave } = VERBS[verb];
  const client = useQueryClient();
  const [scopeKey, setScopeKey] = useState(() => crypto.randomUUID());
  const preview = useQuery({
    queryKey: ['action-preview', scopeKey],
    queryFn: ({ signal }) => post<Action>('/api/v1/actions', { verb, filter }, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
  });
  const [rate, setRate] = useState('');
  const [isCanary, setIsCanary] = useState(false);
  const [stopAt, setStopAt] = useState(canFail ? '5' : '');
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const ids = { rate: useId(), stop: useId(), reason: useId(), typed: useId() };
  const takes = preview.data?.takes ?? 0;
  const mustType = isGrave === true || takes > TYPED_OVER;
  const perSecond = Number(rate) > 0 ? Number(rate) : undefined;

  const run = useMutation({
    mutationFn: (action: Action) =>
      post<Action>(`/api/v1/actions/${action.action_id}/run`, {
        reason: reason.trim(),
        ...(perSecond !== undefined && { rate_per_second: perSecond }),
        ...(isCanary && takes > CANARY && { canary: CANARY }),
        ...(canFail && stopAt !== '' && { stop_at_percent: Number(stopAt) }),
      }),
    onSuccess: (action) => {
      // Not the preview, which would be a new one.
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'action-preview' });
      onRun(action);
    },
  });

  const hindrance =
    preview.data === undefined
      ? 'The preview is not there yet.'
      : takes === 0
        ? 'Nothing is taken.'
        : reason.trim() === ''
          ? 'A reason is needed: it is kept in the audit.'
          : mustType && typed.trim() !== String(takes)
            ? `Type ${takes} first.`
            : undefined;

  function submit(): void {
    if (hindrance === undefined && preview.data !== undefined && !run.isPending) run.mutate(preview.data);
  }

  const isExpired = run.error !== null && problemOf(run.error).code === 'ACTION_EXPIRED';
  return (
    <Dialog
      title={label}
      onClose={onClose}
      isWide
      actions={
        <>
          {preview.data && (
            <CopyCommand words={['actions', 'run', preview.data.action_id, '--reason', reason.trim() || 'TEXT']} />
          )}
          <span className="grow" />
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="button"
            className={isGrave ? 'danger' : 'primary'}
            aria-disabled={hindrance !== undefined || run.isPending}
            title={hindrance}
            onClick={submit}
          >
            {run.isPending ? 'Running…' : `${label} ${countText(takes)}`}
          </button>
        </>
      }
    >
      <p>{meaning}</p>
      <Scope filter={filter} />
      {preview.data !== undefined ? (
        <>
          <Preview action={preview.data} />
          {preview.data.needs_approval && <p>A second person has to approve it before anything is done.</p>}
        </>
      ) : preview.error !== null ? (
        <Failed error={preview.error} onRetry={() => setScopeKey(crypto.randomUUID())} />
      ) : (
        <Loading what="The server counts what would be taken" />
      )}
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <div className="row">
          <label htmlFor={ids.rate}>Rate</label>
          <input
            id={ids.rate}
            type="number"
            min={0.2}
            max={FASTEST}
            step="any"
            placeholder="as fast as it goes"
            value={rate}
            onChange={(event) => setRate(event.target.value)}
          />
          <span>per second</span>
          {perSecond !== undefined && takes > 0 && (
            <span className="muted">takes about {durationText((takes / perSecond) * 1_000)}</span>
          )}
        </div>
        {takes > CANARY && (
          <label className="row">
            <input type="checkbox" checked={isCanary} onChange={(event) => setIsCanary(event.target.checked)} />
            The first {CANARY}, then ask me
          </label>
        )}
        {canFail && (
          <div className="row">
            <label htmlFor={ids.stop}>Stop when more fail again than</label>
            <input
              id={ids.stop}
              type="number"
              min={0}
              max={100}
              value={stopAt}
              onChange={(event) => setStopAt(event.target.value)}
            />
            <span>%</span>
          </div>
        )}
        <div className="stack">
          <label htmlFor={ids.reason}>Reason, kept in the audit</label>
          <input
            id={ids.reason}
            data-first
            type="text"
            required
            maxLength={MOST_REASON}
            placeholder="INC-4711 the partner is back"
            autoComplete="off"
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </div>
        {mustType && takes > 0 && (
          <div className="row">
            <label htmlFor={ids.typed}>
              Type <strong>{takes}</strong> to continue
            </label>
            <input
              id={ids.typed}
              inputMode="numeric"
              autoComplete="off"
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
            />
          </div>
        )}
        <button type="submit" className="unseen" tabIndex={-1} aria-hidden="true">
          Run
        </button>
      </form>
      {run.error !== null && (
        <Failed
          error={run.error}
          onRetry={() => {
            run.reset();
            if (isExpired) setScopeKey(crypto.randomUUID());
            else submit();
          }}
        />
      )}
    </Dialog>
  );
}

function Scope({ filter }: { readonly filter: ActionFilter }) {
  const conditions = Object.entries(filter).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (Array.isArray(value) && /ids$/.test(name)) return [`${value.length} selected`];
    return [`${name}=${Array.isArray(value) ? value.join(',') : String(value)}`];
  });
  return (
    <p className={styles.scope}>
      <span className="muted">Scope: </span>
      {conditions.map((condition) => (
        <code key={condition}>
          <PlainText>{condition}</PlainText>{' '}
        </code>
      ))}
    </p>
  );
}

export function Preview({ action }: { readonly action: Action }) {
  const { takes, preview } = action;
  const left = preview.leaves_out.reduce((sum, { count }) => sum + count, 0);
  return (
    <div className={styles.preview} role="status">
      <p>
        Takes <strong>{countText(takes)}</strong>
        {left > 0 && (
          <>
            {' · '}leaves out <strong>{countText(left)}</strong>:{' '}
            {preview.leaves_out.map(({ reason, count }) => `${reason} ${countText(count)}`).join(' · ')}
          </>
        )}
      </p>
      {Object.entries(preview.by).map(
        ([name, groups]) =>
          groups.length > 0 && (
            <p key={name}>
              <span className="muted">by {name}: </span>
              {groups.slice(0, 6).map(({ value, count }, index) => (
                <span key={value}>
                  {index > 0 && ' · '}
                  <PlainText>{value}</PlainText> {countText(count)}
                </span>
              ))}
              {groups.length > 6 && ' · …'}
            </p>
          ),
      )}
      {preview.samples.length > 0 && (
        <p>
          <span className="muted">for example: </span>
          {preview.samples.map(({ id, file_name: name }, index) => (
            <span key={id}>
              {index > 0 && ' · '}
              <PlainText>{name ?? id}</PlainText>
            </span>
          ))}
        </p>
      )}
    </div>
  );
}
