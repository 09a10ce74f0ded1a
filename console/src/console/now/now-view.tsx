/** What needs a person, what arrives, what fails and how the fleet is, at a glance; every number leads to its list. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Health } from '#services/control-api/operations/find-health.ts';
import type { Overview } from '#shared/api/overview.ts';
import { get } from '../../api/client.ts';
import { useLive } from '../../api/live.ts';
import { useMe } from '../../api/me.ts';
import { VerbButtons } from '../../parts/action-sheet/verb-buttons.tsx';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';
import styles from './now.module.css';
import { Throughput } from './throughput.tsx';

/** Where the stream is down. */
const REFETCH_MS = 5_000;
const LEAST_MS = 1_000;
const BACKGROUND = { 'x-longshore-background': '1' };

const NEEDS: Readonly<Record<keyof Overview['needs_person'], readonly [one: string, many: string, to: string]>> = {
  held_jobs: ['held for a person', 'held for a person', '/reviews'],
  failed_jobs: ['job failed in 24 h', 'jobs failed in 24 h', '/files?status=failed&since=24h'],
  parked_dead_letters: ['dead letter parked', 'dead letters parked', '/queues'],
  parked_notices: ['notice parked', 'notices parked', '/queues'],
  actions_to_approve: ['action to approve', 'actions to approve', '/actions?state=awaiting_approval'],
  changes_to_approve: ['proposed change to approve', 'proposed changes to approve', '/proposals?state=open'],
  held_partners: ['partner paused or held by hand', 'partners paused or held by hand', '/partners?held=true'],
  late_files: ['expected file late or missed', 'expected files late or missed', '/expected'],
  open_breakers: ['partner not called, as its calls fail', 'partners not called, as their calls fail', '/partners'],
  effects_in_doubt: ['effect in doubt', 'effects in doubt', '/effects'],
};

export default function NowView() {
  const overview = useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => get<Overview>('/api/v1/overview', { headers: BACKGROUND, signal }),
    refetchInterval: REFETCH_MS,
  });
  const client = useQueryClient();
  // The numbers are computed once a second at most; a burst of changes is one question.
  useLive(({ event }) => {
    if (event === 'ready' || event === 'progress' || client.isFetching({ queryKey: ['overview'] }) > 0) return;
    if (Date.now() - overview.dataUpdatedAt >= LEAST_MS) void overview.refetch();
  });
  return (
    <>
      <div className="row">
        <h1>Now</h1>
        <span className="grow" />
        <CopyCommand words={['overview']} />
      </div>
      <Fetched query={overview}>
        {(board) => (
          <div className={styles.board}>
            <Needs needs={board.needs_person} />
            <section className={styles.card} aria-labelledby="day">
              <h2 id="day">Last 24 hours</h2>
              <p>
                {countText(board.last_day.arrived)} files arrived,{' '}
                <Link to={'/files?status=failed,quarantined&since=24h' as string}>
                  {countText(board.last_day.failed)} failed
                </Link>
              </p>
              <Throughput minutes={board.minutes} />
            </section>
            <Failing groups={board.failing} />
          </div>
        )}
      </Fetched>
      <Fleet />
    </>
  );
}

function Needs({ needs }: { readonly needs: Overview['needs_person'] }) {
  const waiting = Object.entries(needs).filter(([, count]) => count > 0);
  return (
    <section className={styles.card} aria-labelledby="needs">
      <h2 id="needs">Needs a person</h2>
      {waiting.length === 0 ? (
        <Empty title="Nothing needs a person." />
      ) : (
        <ul className={styles.needs}>
          {waiting.map(([name, count]) => {
            const [one, many, to] = NEEDS[name as keyof typeof NEEDS];
            return (
              <li key={name}>
                <Link to={to as string}>
                  <strong>{countText(count)}</strong> {count === 1 ? one : many}
                </Link>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}

function Failing({ groups }: { readonly groups: Overview['failing'] }) {
  return (
    <section className={styles.wide} aria-labelledby="failing">
      <h2 id="failing">Failing jobs of 24 hours</h2>
      {groups.length === 0 ? (
        <Empty title="No job failed." />
      ) : (
        <table>
          <thead>
            <tr>
              {['Fails with', 'Route', 'Jobs', 'Week before', 'Since', 'Act'].map((title) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {groups.map(({ tenant, route, code, cause, count, retryable, week_before: before, since }) => {
              const search = new URLSearchParams({
                state: 'FAILED',
                tenant,
                route,
                code,
                ...(cause !== null && { cause }),
              });
              const filter = { tenant, route, code, ...(cause !== null && { cause }), since };
              return (
                <tr key={`${tenant} ${route} ${code} ${cause}`}>
                  <th scope="row">
                    <Link to={`/jobs?${search}` as string}>
                      <PlainText>{[code, cause].filter((part) => part !== null).join(' ')}</PlainText>
                    </Link>
                  </th>
                  <td>
                    <PlainText>{`${tenant}/${route}`}</PlainText>
                  </td>
                  <td>{countText(count)}</td>
                  <td>{changeText(count, before)}</td>
                  <td>
                    <Time at={since} tenant={tenant} isRelative />
                  </td>
                  <td>
                    <VerbButtons
                      verbs={['retry']}
                      scopeOf={() => (retryable > 0 ? { filter } : { refusal: NOT_RETRYABLE })}
                    />
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </section>
  );
}

const NOT_RETRYABLE =
  'A retry does not help: these are branches, which go with the job above them, or their content is the fault.';

/** Against the same day a week ago. */
export function changeText(count: number, before: number): string {
  if (before === 0) return 'new';
  const times = count / before;
  if (times >= 2) return `×${Math.round(times)}`;
  return count === before ? '=' : `${countText(before)} then`;
}

function Fleet() {
  const { data: me } = useMe();
  const mayLook = me?.permissions.includes('queues:read') === true;
  const health = useQuery({
    queryKey: ['health'],
    queryFn: ({ signal }) => get<Health>('/api/v1/health', { headers: BACKGROUND, signal }),
    refetchInterval: REFETCH_MS,
    enabled: mayLook,
  });
  if (!mayLook) return null;
  return (
    <Fetched query={health}>
      {({ problems, services, queues, version }) => (
        <section className={styles.card} aria-labelledby="fleet">
          <h2 id="fleet">Queues and services</h2>
          {problems.map((problem) => (
            <p key={problem} role="alert">
              <span aria-hidden="true">▲ </span>
              {problem}
            </p>
          ))}
          <p>
            {queues.map(({ queue, messages, oldest_due_seconds: oldest }) => (
              <span key={queue} className={styles.queue}>
                <Link to={'/queues' as string}>{queue}</Link> {messages === null ? '?' : countText(messages)}
                {oldest !== null && oldest > 0 ? `, oldest due ${durationText(oldest * 1_000)}` : ''}
              </span>
            ))}
          </p>
          <p>
            Services {services.filter(({ sessions }) => sessions > 0).length} of {services.length}, version {version}
          </p>
        </section>
      )}
    </Fetched>
  );
}
