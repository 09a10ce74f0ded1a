/** One partner: how its calls go, its breakers, and what waits for it. */

import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { PartnerHealth } from '#shared/api/partner-health.ts';
import { get } from '../../api/client.ts';
import { whileThere } from '../../api/query-client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { CertificateEnd } from '../remotes/certificate-end.tsx';
import { PartnerSwitches } from './partner-switches.tsx';

const REFETCH_MS = 5_000;
/** As many are counted. */
const MOST_JOBS = 1_000;
const WINDOWS = ['5m', '15m', '1h', '24h'];

export default function PartnerView() {
  const { tenant = '', name = '' } = useParams({ strict: false }) as { tenant?: string; name?: string };
  const [{ window = '15m' }, change] = useUrlState();
  const health = useQuery({
    queryKey: ['partner-health', tenant, name, window],
    queryFn: ({ signal }) =>
      get<PartnerHealth>(`/api/v1/partners/${encodeURIComponent(tenant)}/${encodeURIComponent(name)}/health`, {
        query: { window },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    refetchInterval: whileThere(REFETCH_MS),
  });
  return (
    <>
      <div className="row">
        <h1>
          {tenant}/{name}
        </h1>
        <label>
          Window{' '}
          <select value={window} onChange={(event) => change({ window: event.currentTarget.value })}>
            {WINDOWS.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <span className="grow" />
        <Link to={'/files' as string} search={{ tenant, partner: name, status: 'failed' } as never}>
          Failed files
        </Link>
        <Link to={'/files' as string} search={{ tenant, partner: name, status: 'processing' } as never}>
          Files under way
        </Link>
        <CopyCommand words={['partners', 'health', `${tenant}/${name}`, '--window', window]} />
      </div>
      <Fetched query={health}>
        {(found) => (
          <>
            <PartnerSwitches health={found} onChanged={() => health.refetch()} />
            <Numbers health={found} />
          </>
        )}
      </Fetched>
    </>
  );
}

function Numbers({ health }: { readonly health: PartnerHealth }) {
  const { calls, waiting, replies, breakers, limits, secrets, held_up: heldUp, customer_id: tenant, name } = health;
  const took = (ms: number | null) => (ms === null ? '–' : durationText(ms));
  return (
    <>
      <p>
        {countText(calls.total)} {calls.total === 1 ? 'call' : 'calls'}, {calls.per_second} a second
        {limits.rate_per_second !== null && <> of {limits.rate_per_second} that its limit allows</>}.
        {calls.p50_ms !== null && (
          <>
            {' '}
            Half took {took(calls.p50_ms)} or less, 95 % {took(calls.p95_ms)}, 99 % {took(calls.p99_ms)}.
          </>
        )}
      </p>
      <p>
        {countText(waiting.records)} {waiting.records === 1 ? 'record waits' : 'records wait'}
        {waiting.oldest_since !== null && (
          <>
            , the oldest since <Time at={waiting.oldest_since} tenant={tenant} />
          </>
        )}
        .
      </p>
      <p>
        <Link to={'/jobs' as string} search={{ tenant, state: 'WAITING' } as never}>
          {heldUp.jobs >= MOST_JOBS ? `${countText(MOST_JOBS)} or more` : countText(heldUp.jobs)}{' '}
          {heldUp.jobs === 1 ? 'job' : 'jobs'}
        </Link>{' '}
        of {name} {heldUp.jobs === 1 ? 'is' : 'are'} held up
        {heldUp.oldest_since !== null && (
          <>
            , the one that waits longest since <Time at={heldUp.oldest_since} tenant={tenant} />
          </>
        )}
        .
      </p>
      <h2>Replies</h2>
      {replies.length === 0 ? (
        <Empty title={health.last_call_at === null ? 'Never called yet.' : 'No calls in this window.'} />
      ) : (
        <Table
          headings={['Outcome', 'Status', 'Cause', 'Calls']}
          rows={replies.map((reply) => [
            reply.outcome,
            reply.http_status ?? 'no reply',
            reply.cause ?? '–',
            countText(reply.calls),
          ])}
        />
      )}
      {secrets.length > 0 && (
        <>
          <h2>Secrets</h2>
          <Table
            headings={['Secret', 'State', 'Changed', 'Certificate ends']}
            rows={secrets.map((secret) => [
              secret.name,
              <StateBadge key="state" state={secret.state} />,
              secret.changed_at === null ? (
                '–'
              ) : (
                <Time key="changed" at={secret.changed_at} tenant={tenant} isRelative />
              ),
              secret.ends_at === null ? '–' : <CertificateEnd key="ends" at={secret.ends_at} tenant={tenant} />,
            ])}
          />
        </>
      )}
      <h2>Breakers</h2>
      {breakers.length === 0 ? (
        <Empty title="No worker has called it recently." />
      ) : (
        <Table
          headings={['Worker', 'Breaker', 'Since']}
          rows={breakers.map((breaker) => [
            breaker.worker,
            <StateBadge key="state" state={breaker.open_until === null ? 'closed' : 'open'} />,
            <Time key="since" at={breaker.since} tenant={tenant} />,
          ])}
        />
      )}
    </>
  );
}

interface TableProps {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly ReactNode[])[];
}

function Table({ headings, rows }: TableProps) {
  return (
    <div className="sideways">
      <table>
        <thead>
          <tr>
            {headings.map((heading) => (
              <th key={heading} scope="col">
                {heading}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>
              {cells.map((cell, column) => (
                <td key={headings[column]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
