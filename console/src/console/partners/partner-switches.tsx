/** What may be done with the calls of a partner: pause, breaker by hand, a test call, and a retry of what failed there. */
import { useState } from 'react';
import type { PartnerControlView, PartnerTest } from '#shared/api/partner-control.ts';
import type { PartnerHealth } from '#shared/api/partner-health.ts';
import { post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { useErrorCodes } from '../../api/problems.ts';
import { propose, useMayChange } from '../../api/propose.ts';
import { VerbButtons } from '../../parts/action-sheet/verb-buttons.tsx';
import { Failed, Loading } from '../../parts/conditions.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { durationText, Time } from '../../parts/time.tsx';

interface SwitchesProps {
  readonly health: PartnerHealth;
  readonly onChanged: () => Promise<unknown>;
}

type Asked = 'pause' | 'resume' | 'open' | 'close';
type Trial =
  | { readonly is: 'running' }
  | { readonly is: 'done'; readonly test: PartnerTest }
  | { readonly is: 'failed'; readonly error: unknown };

const DURATIONS = ['30m', '2h', '8h', '1d'];
const NO_TEST = 'No operation of its definition has a `test`.';
const LABELS = { pause: 'Pause', resume: 'Resume', open: 'Open the breaker', close: 'Close the breaker' } as const;

export function PartnerSwitches({ health, onChanged }: SwitchesProps) {
  const { customer_id: tenant, name, control, breakers } = health;
  const [asked, setAsked] = useState<Asked>();
  const [trial, setTrial] = useState<Trial>();
  const { refusal, isProposal } = useMayChange('partners:change');
  const noTest = useRefusal('partners:test') ?? (control.tests.length === 0 ? NO_TEST : undefined);
  const path = `/api/v1/partners/${encodeURIComponent(tenant)}/${encodeURIComponent(name)}`;
  const isOpen = control.breaker !== null || breakers.some(({ open_until: until }) => until !== null);
  const shown: readonly Asked[] = [
    control.paused === null ? 'pause' : 'resume',
    ...(control.breaker === null ? (['open'] as const) : []),
    ...(isOpen ? (['close'] as const) : []),
  ];

  async function test(): Promise<void> {
    setTrial({ is: 'running' });
    setTrial(
      await post<PartnerTest>(`${path}/test`).then(
        (made): Trial => ({ is: 'done', test: made }),
        (error: unknown): Trial => ({ is: 'failed', error }),
      ),
    );
  }

  return (
    <section aria-label="Calls" className="stack">
      <State control={control} tenant={tenant} />
      <div className="row">
        {shown.map((each) => (
          <button
            key={each}
            type="button"
            disabled={refusal !== undefined}
            title={refusal}
            onClick={() => setAsked(each)}
          >
            {isProposal ? `Propose: ${LABELS[each]}` : LABELS[each]}…
          </button>
        ))}
        <button
          type="button"
          disabled={noTest !== undefined || trial?.is === 'running'}
          title={noTest}
          onClick={() => void test()}
        >
          Test call
        </button>
        <VerbButtons verbs={['retry']} scopeOf={() => ({ filter: { tenant, partner: name, state: ['FAILED'] } })} />
      </div>
      {trial?.is === 'running' && <Loading what="Calling; one request is sent" />}
      {trial?.is === 'failed' && <Failed error={trial.error} />}
      {trial?.is === 'done' && <Tested test={trial.test} />}
      {asked !== undefined && (
        <SwitchDialog
          asked={asked}
          isProposal={isProposal}
          health={health}
          path={path}
          onChanged={onChanged}
          onClose={() => setAsked(undefined)}
        />
      )}
    </section>
  );
}

function State({
  control: { paused, breaker },
  tenant,
}: {
  readonly control: PartnerControlView;
  readonly tenant: string;
}) {
  return (
    <>
      {paused !== null && (
        <p>
          <StateBadge state="paused" /> since <Time at={paused.since} tenant={tenant} />
          <Said held={paused} />. What calls it waits, and counts no attempt.
        </p>
      )}
      {breaker !== null && (
        <p>
          <StateBadge state="open" /> The breaker is held open{' '}
          {breaker.until === null ? (
            'until it is closed'
          ) : (
            <>
              until <Time at={breaker.until} tenant={tenant} />
            </>
          )}
          <Said held={breaker} />.
        </p>
      )}
    </>
  );
}

function Said({ held: { by, reason } }: { readonly held: NonNullable<PartnerControlView['paused']> }) {
  if (by === null) return null;
  return (
    <>
      {' '}
      by <PlainText>{by}</PlainText>: <PlainText>{reason ?? ''}</PlainText>
    </>
  );
}

interface SwitchDialogProps extends SwitchesProps {
  readonly asked: Asked;
  readonly isProposal: boolean;
  readonly path: string;
  readonly onClose: () => void;
}

function SwitchDialog({ asked, isProposal, health, path, onChanged, onClose }: SwitchDialogProps) {
  const [forText, setForText] = useState('');
  const { customer_id: tenant, name, control, held_up: heldUp } = health;
  const partner = `${tenant}/${name}`;
  const state = asked === 'open' ? 'open' : 'closed';
  const isBreaker = asked === 'open' || asked === 'close';
  const duration = asked === 'open' && forText !== '' ? forText : undefined;
  return (
    <ReasonDialog
      title={partner}
      verb={isProposal ? 'Propose' : LABELS[asked]}
      words={[
        ...(isBreaker
          ? ['partners', 'breaker', partner, state, ...(duration === undefined ? [] : ['--for', duration])]
          : ['partners', asked, partner]),
        ...(isProposal ? ['--propose'] : []),
      ]}
      act={async (reason) => {
        const change = isBreaker ? { state, ...(duration && { for: duration }) } : {};
        const to = `${path}/${isBreaker ? 'breaker' : asked}`;
        if (isProposal) return await propose({ method: 'POST', path: to, body: change, reason });
        await post(to, { ...change, reason, revision: control.revision });
        await onChanged();
      }}
      onClose={onClose}
    >
      <p>{MEANINGS[asked]}</p>
      {heldUp.jobs > 0 && <p>{heldUp.jobs} jobs wait at a call of it now.</p>}
      {asked === 'open' && (
        <label>
          For{' '}
          <select value={forText} onChange={(event) => setForText(event.currentTarget.value)}>
            <option value="">until it is closed</option>
            {DURATIONS.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      )}
    </ReasonDialog>
  );
}

const MEANINGS: Readonly<Record<Asked, string>> = {
  pause: 'Within seconds no worker calls it any more. What calls it waits, and counts no attempt.',
  resume: 'What waits continues at once. The first call of each worker is a trial; while it fails the breaker is open.',
  open: 'Within seconds no worker calls it any more, as if its breaker had opened.',
  close: 'The next call of each worker is a trial. If it fails, the breaker of that worker opens again.',
};

function Tested({ test }: { readonly test: PartnerTest }) {
  const codes = useErrorCodes();
  const { ok, operation, http_status: status, took_ms: took, cause, message, request_id: id } = test;
  const known = cause === null ? undefined : codes[cause];
  return (
    <div aria-live="polite" className="stack">
      <p>
        <StateBadge state={ok ? 'ok' : 'failing'} /> {operation}: {status === null ? 'no reply' : `HTTP ${status}`},{' '}
        {durationText(took)}
        {cause !== null && (
          <>
            {', '}
            <code>{cause}</code>
          </>
        )}
        . Request <code>{id}</code>
      </p>
      {message !== null && (
        <p>
          <PlainText>{message}</PlainText>
        </p>
      )}
      {known !== undefined && <p>{known.remedy}</p>}
    </div>
  );
}
