/** What would this file do, and what would become of the last 1,000: by the text in the editor. */
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import type { Simulation } from '#services/control-api/definitions/handle-simulate.ts';
import { post } from '../../api/client.ts';
import { Failed } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { countText } from '../../parts/time.tsx';
import styles from './routes.module.css';

interface SimulatorProps {
  readonly tenant: string;
  /** Undefined: nothing is proposed, and the routes in force decide. */
  readonly documents: string | undefined;
}

const SAMPLE = 1_000;
const MOST_LISTED = 50;

export function Simulator({ tenant, documents }: SimulatorProps) {
  const [path, setPath] = useState('');
  const [size, setSize] = useState('1000');
  const simulate = useMutation({
    mutationFn: (subject: object) => post<Simulation>('/api/v1/routes/simulate', { documents, ...subject }),
  });
  const bytes = Number(size);
  const isAsked = path.trim() !== '' && Number.isSafeInteger(bytes) && bytes >= 0;
  return (
    <section className={styles.simulator} aria-label="Simulator">
      <h2>What would this file do?</h2>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          if (isAsked) simulate.mutate({ file: { tenant, path: path.trim(), size_bytes: bytes } });
        }}
      >
        <label>
          Path{' '}
          <input value={path} placeholder="inbound/orders/a.csv" onChange={(event) => setPath(event.target.value)} />
        </label>
        <label>
          Bytes <input value={size} inputMode="numeric" size={10} onChange={(event) => setSize(event.target.value)} />
        </label>
        <button type="submit" disabled={!isAsked || simulate.isPending}>
          Simulate
        </button>
        <button
          type="button"
          disabled={simulate.isPending}
          onClick={() => simulate.mutate({ sample: { tenant, last: SAMPLE } })}
        >
          The last {countText(SAMPLE)} files
        </button>
      </form>
      <div aria-live="polite">
        {simulate.isPending && <p className="muted">Simulating…</p>}
        {simulate.error !== null && <Failed error={simulate.error} />}
        {simulate.data !== undefined && <Simulated simulation={simulate.data} />}
      </div>
      <CopyCommand
        words={[
          'simulate',
          ...(documents === undefined ? [] : ['-f', 'routes/']),
          '--tenant',
          tenant,
          '--path',
          path || 'PATH',
        ]}
      />
    </section>
  );
}

function Simulated({ simulation: { decisions, summary } }: { readonly simulation: Simulation }) {
  const [only] = decisions;
  if (only !== undefined && only.file.file_id === null) return <Decision decision={only} />;
  const changed = decisions.filter(({ changes }) => changes !== 'same');
  return (
    <>
      <SummaryLine summary={summary} />
      {changed.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>File</th>
              <th>Change</th>
              <th>Now</th>
              <th>Would be</th>
            </tr>
          </thead>
          <tbody>
            {changed.slice(0, MOST_LISTED).map(({ file, changes, present, routes, error }) => (
              <tr key={file.file_id}>
                <td>
                  <PlainText>{file.path}</PlainText>
                </td>
                <td>{CHANGES[changes]}</td>
                <td>{present.join(', ') || '–'}</td>
                <td>{routes.map(({ route }) => route).join(', ') || error?.cause || '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {changed.length > MOST_LISTED && <p className="muted">and {countText(changed.length - MOST_LISTED)} more</p>}
    </>
  );
}

const CHANGES = {
  same: 'same',
  steps: 'other steps',
  other: 'other route',
  new: 'a route now',
  none: 'no route any more',
} as const;

export function SummaryLine({ summary }: { readonly summary: Simulation['summary'] }) {
  return (
    <p>
      <strong>{countText(summary.files)} files:</strong>{' '}
      {(['same', 'steps', 'other', 'new', 'none'] as const)
        .filter((change) => change === 'same' || summary[change] > 0)
        .map((change) => `${CHANGES[change]} ${countText(summary[change])}`)
        .join(' · ')}
      {summary.none > 0 && (
        <strong className={styles.warning}>
          {' '}
          <span aria-hidden="true">▲</span> {countText(summary.none)} would be quarantined
        </strong>
      )}
    </p>
  );
}

function Decision({ decision }: { readonly decision: Simulation['decisions'][number] }) {
  const taking = decision.routes.filter(({ takes }) => takes);
  const others = decision.routes.filter(({ takes }) => !takes);
  return (
    <>
      <p>
        <StateBadge state={decision.outcome} /> {decision.is_large ? 'a large file' : 'a small file'}
        {decision.changes !== 'same' && ` · now: ${decision.present.join(', ') || 'no route'}`}
      </p>
      {decision.error !== null && (
        <p>
          <code>{decision.error.code}</code> <PlainText>{decision.error.message}</PlainText>
        </p>
      )}
      {taking.map((route) => (
        <div key={route.route}>
          <h3>
            {route.route} {route.version === null ? 'as proposed' : `version ${route.version}`}
          </h3>
          <ol>
            {route.held && <li>held for a person first</li>}
            {route.steps.map((step, index) => (
              <li key={index}>
                <strong>{step.kind}</strong> would <PlainText>{step.would}</PlainText>{' '}
                <span className="muted">({step.class})</span>
              </li>
            ))}
          </ol>
          {route.order_group !== null && (
            <p>
              In the order of <PlainText>{route.order_group}</PlainText>
            </p>
          )}
          {route.notifies.length > 0 && (
            <p>Notifies {route.notifies.map(({ channel, on }) => `${channel} (${on.join(', ')})`).join('; ')}</p>
          )}
        </div>
      ))}
      {others.length > 0 && (
        <details open={taking.length === 0}>
          <summary>Not by {others.length} others</summary>
          <ul>
            {others.map(({ route, because }) => (
              <li key={route}>
                <strong>{route}</strong>: {because}
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
