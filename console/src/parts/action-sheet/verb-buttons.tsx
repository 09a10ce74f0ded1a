/** Buttons that open the sheet of a verb, each disabled with its reason where it cannot be used. */
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { ActionVerb } from '#shared/db/schema.ts';
import { useMe } from '../../api/me.ts';
import { countText } from '../time.tsx';
import { say } from '../toast.tsx';
import { type ActionFilter, ActionSheet, type ActionToPlan } from './action-sheet.tsx';
import { VERBS } from './verbs.ts';

/** What a verb would be about: a filter, or why this list cannot be its scope. */
export type Scope = { readonly filter: ActionFilter } | { readonly refusal: string };

interface VerbButtonsProps {
  readonly verbs: readonly ActionVerb[];
  readonly scopeOf: (verb: ActionVerb) => Scope;
  /** The first one stands out. */
  readonly isFirstPrimary?: boolean;
  readonly onRun?: () => void;
}

/** Small sets are soon done: their page would be of no use. */
const SHOWN_OVER = 20;

export function VerbButtons({ verbs, scopeOf, isFirstPrimary = false, onRun }: VerbButtonsProps) {
  const [planned, setPlanned] = useState<ActionToPlan>();
  const { data: me } = useMe();
  const navigate = useNavigate();
  return (
    <>
      {verbs.map((verb, index) => {
        const { label, permission } = VERBS[verb];
        const scope = scopeOf(verb);
        const isAllowed = me === undefined || me.permissions.includes(permission);
        const refusal = !isAllowed
          ? `Your role, ${me.role}, does not have the permission ${permission}.`
          : 'refusal' in scope
            ? scope.refusal
            : undefined;
        return (
          <button
            key={verb}
            type="button"
            data-verb={verb}
            className={isFirstPrimary && index === 0 ? 'primary' : undefined}
            aria-disabled={refusal !== undefined}
            title={refusal}
            onClick={() => {
              if (refusal === undefined && 'filter' in scope) setPlanned({ verb, filter: scope.filter });
            }}
          >
            {label}…
          </button>
        );
      })}
      {planned !== undefined && (
        <ActionSheet
          {...planned}
          onClose={() => setPlanned(undefined)}
          onRun={(action) => {
            setPlanned(undefined);
            onRun?.();
            if (action.state === 'AWAITING_APPROVAL') say('It waits for a second person.');
            else say(`${VERBS[action.verb].label}: ${countText(action.takes)} taken.`);
            if (action.takes > SHOWN_OVER || action.state !== 'RUNNING')
              void navigate({ to: `/actions/${action.action_id}` as string });
          }}
        />
      )}
    </>
  );
}
