/** One route: its steps, its text with the simulator next to it, and its versions. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState } from 'react';
import type { Applied } from '#services/control-api/definitions/apply-route-files.ts';
import type { RouteDetail } from '#services/control-api/definitions/find-routes.ts';
import type { Simulation } from '#services/control-api/definitions/handle-simulate.ts';
import { call, post } from '../../api/client.ts';
import { Problem } from '../../api/problem.ts';
import { propose, useMayChange } from '../../api/propose.ts';
import { Fetched, Loading } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { DiffText } from '../../parts/diff/diff-text.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Tabs } from '../../parts/tabs.tsx';
import { Time } from '../../parts/time.tsx';
import { say, sayProblem } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { RouteVersions } from './route-versions.tsx';
import styles from './routes.module.css';
import { Simulator, SummaryLine } from './simulator.tsx';
import { StepFlow } from './step-flow.tsx';
import type { Fault } from './yaml-editor.tsx';

const YamlEditor = lazy(() => import('./yaml-editor.tsx'));

interface Read {
  readonly route: RouteDetail;
  /** What a change is made on top of. */
  readonly etag: string;
}

export default function RouteView() {
  const { tenant = '', name = '' } = useParams({ strict: false }) as { tenant?: string; name?: string };
  const path = `/api/v1/routes/${encodeURIComponent(tenant)}/${encodeURIComponent(name)}`;
  const route = useQuery({
    queryKey: ['route', path],
    queryFn: async ({ signal }): Promise<Read> => {
      const { body, headers } = await call<RouteDetail>('GET', path, { signal });
      return { route: body, etag: headers.get('etag') ?? '' };
    },
  });
  return (
    <>
      <h1>
        {tenant}/{name}
      </h1>
      <Fetched query={route}>{(read) => <Route key={path} path={path} read={read} />}</Fetched>
    </>
  );
}

interface RouteProps {
  readonly path: string;
  readonly read: Read;
}

function Route({ path, read: { route, etag } }: RouteProps) {
  const { customer_id: tenant, name } = route;
  const [{ tab }, change] = useUrlState();
  const queries = useQueryClient();
  const refresh = () => void queries.invalidateQueries({ queryKey: ['route', path] });
  return (
    <>
      <div className="row">
        <StateBadge state={stateOf(route)} />
        <span>
          version {route.version}, applied <Time at={route.applied_at} tenant={tenant} isRelative /> by{' '}
          <PlainText>{route.applied_by}</PlainText>
        </span>
        <AccessButton path={path} route={route} onChanged={refresh} />
        <CopyCommand words={['routes', `${tenant}/${name}`]} />
      </div>
      <StepFlow definition={route.definition} />
      <Tabs
        label="Route"
        current={tab}
        onChange={(id) => change({ tab: id })}
        tabs={[
          {
            id: 'text',
            label: 'Text',
            panel: () => <RouteText path={path} read={{ route, etag }} onChanged={refresh} />,
          },
          {
            id: 'versions',
            label: 'Versions',
            panel: () => <RouteVersions tenant={tenant} name={name} path={path} etag={etag} onChanged={refresh} />,
          },
        ]}
      />
    </>
  );
}

function stateOf({ removed_at: removedAt, disabled_at: disabledAt }: RouteDetail): string {
  if (removedAt !== null) return 'removed';
  return disabledAt === null ? 'active' : 'disabled';
}

interface AccessButtonProps {
  readonly path: string;
  readonly route: RouteDetail;
  readonly onChanged: () => void;
}

function AccessButton({ path, route, onChanged }: AccessButtonProps) {
  const [isAsking, setIsAsking] = useState(false);
  const { refusal, isProposal } = useMayChange('access:change');
  const verb = route.disabled_at === null ? 'disable' : 'enable';
  const label = verb === 'disable' ? 'Disable' : 'Enable';
  return (
    <>
      <button type="button" disabled={refusal !== undefined} title={refusal} onClick={() => setIsAsking(true)}>
        {isProposal ? `Propose: ${label}` : label}…
      </button>
      {isAsking && (
        <ReasonDialog
          title={`${label} ${route.customer_id}/${route.name}`}
          verb={isProposal ? 'Propose' : label}
          words={[verb, 'route', `${route.customer_id}/${route.name}`, ...(isProposal ? ['--propose'] : [])]}
          onClose={() => setIsAsking(false)}
          act={async (reason) => {
            if (isProposal) return await propose({ method: 'POST', path: `${path}/${verb}`, body: {}, reason });
            await post(`${path}/${verb}`, { reason });
            say(`The route is ${verb}d.`);
            onChanged();
          }}
        >
          <p>
            {verb === 'disable'
              ? 'It takes no new files. Jobs that exist continue.'
              : 'It takes files again, from now on.'}
          </p>
        </ReasonDialog>
      )}
    </>
  );
}

interface RouteTextProps {
  readonly path: string;
  readonly read: Read;
  readonly onChanged: () => void;
}

interface Checked {
  readonly diff: string;
  readonly summary: Simulation['summary'];
}

function RouteText({ path, read: { route, etag }, onChanged }: RouteTextProps) {
  const { customer_id: tenant, name, source } = route;
  // The text is edited on top of what was read; a newer version never replaces what somebody typed.
  const [base, setBase] = useState({ source, etag });
  const [text, setText] = useState(source);
  const [faults, setFaults] = useState<readonly Fault[]>([]);
  const [checked, setChecked] = useState<Checked>();
  const { refusal, isProposal } = useMayChange('definitions:apply');
  const isChanged = text !== base.source;
  const isBehind = base.etag !== etag;

  useEffect(() => {
    if (!isBehind || isChanged) return;
    setBase({ source, etag });
    setText(source);
  }, [isBehind, isChanged, source, etag]);

  const files = { files: [{ name: `${name}.yaml`, text }] };

  async function check(): Promise<void> {
    setFaults([]);
    try {
      const { body } = await call<Applied>('PUT', path, { body: files, query: { dry_run: true } });
      const [own] = body.routes;
      const sample = { sample: { tenant, last: 1_000 } };
      const { summary } = await post<Simulation>('/api/v1/routes/simulate', { documents: text, ...sample });
      setChecked({ diff: own?.diff ?? '', summary });
    } catch (error) {
      const found = error instanceof Problem ? (error.details.faults as readonly Fault[] | undefined) : undefined;
      setFaults(found ?? []);
      sayProblem(error);
    }
  }

  return (
    <>
      {isBehind && isChanged && (
        <p role="status" className={styles.warning}>
          <span aria-hidden="true">▲</span> The route has been changed since you began.{' '}
          <button
            type="button"
            className="plain"
            onClick={() => {
              setBase({ source, etag });
              setText(source);
            }}
          >
            Take the newer text and drop yours
          </button>
        </p>
      )}
      {!route.source_kept && (
        <p className="muted">
          The text of this version was not kept. It is shown with the defaults filled in, durations in ms and sizes in
          bytes.
        </p>
      )}
      <div className={styles.editor}>
        <div>
          <Suspense fallback={<Loading what="The editor is loading" />}>
            <YamlEditor
              label={`Text of ${tenant}/${name}`}
              text={text}
              onChange={setText}
              faults={faults}
              isReadOnly={refusal !== undefined}
            />
          </Suspense>
          {faults.length > 0 && (
            <ul className={styles.faults} aria-label="Faults">
              {faults.map(({ line, column, message }) => (
                <li key={`${line}:${column} ${message}`}>
                  Line {line}, column {column}: {message}
                </li>
              ))}
            </ul>
          )}
          <div className="row">
            <button
              type="button"
              className="primary"
              disabled={!isChanged || refusal !== undefined}
              title={refusal}
              onClick={() => void check()}
            >
              {isProposal ? 'Check and propose…' : 'Check and apply…'}
            </button>
            <button type="button" disabled={!isChanged} onClick={() => setText(base.source)}>
              Undo all
            </button>
          </div>
        </div>
        <Simulator tenant={tenant} documents={isChanged ? text : undefined} />
      </div>
      {checked !== undefined && (
        <ReasonDialog
          title={`${isProposal ? 'Propose' : 'Apply'} ${tenant}/${name}`}
          verb={isProposal ? 'Propose' : 'Apply'}
          isWide
          words={['apply', '-f', `${name}.yaml`, ...(isProposal ? ['--propose'] : [])]}
          onClose={() => setChecked(undefined)}
          act={async (reason) => {
            if (isProposal) return await propose({ method: 'PUT', path, body: files, ifMatch: base.etag, reason });
            const { headers } = await call<Applied>('PUT', path, {
              body: files,
              query: { reason },
              headers: { 'if-match': base.etag },
            });
            setBase({ source: text, etag: headers.get('etag') ?? '' });
            say('The route is applied.');
            onChanged();
          }}
        >
          <DiffText diff={checked.diff} />
          <SummaryLine summary={checked.summary} />
        </ReasonDialog>
      )}
    </>
  );
}
