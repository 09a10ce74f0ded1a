/** A file: what happened and what to do about it, where it is, and everything that was done with it. */

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import prettyBytes from 'pretty-bytes';
import { useEffect } from 'react';
import type { FileDetail } from '#services/control-api/files/find-files.ts';
import type { JobDetail } from '#services/control-api/jobs/find-job.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { get } from '../../api/client.ts';
import { useLive } from '../../api/live.ts';
import { explainFailure, explainRecords, useErrorCodes } from '../../api/problems.ts';
import { VerbButtons } from '../../parts/action-sheet/verb-buttons.tsx';
import { VERBS } from '../../parts/action-sheet/verbs.ts';
import { Fetched } from '../../parts/conditions.tsx';
import { Copy, CopyCommand } from '../../parts/copy-command.tsx';
import { jobName, placeJobs } from '../../parts/job-tree.ts';
import { JsonView } from '../../parts/json-view.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Tabs } from '../../parts/tabs.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { neighboursOf } from '../files/last-list.ts';
import { BatchLine } from './batch-line.tsx';
import styles from './file.module.css';
import { Timeline } from './timeline.tsx';

const OPEN_REFETCH_MS = 2_000;
const isOpen = (file: FileDetail) => file.finished_at === null;

export default function FileView() {
  const { id = '' } = useParams({ strict: false }) as { id?: string };
  const client = useQueryClient();
  const file = useQuery({
    queryKey: ['file', id],
    queryFn: ({ signal }) =>
      get<FileDetail>(`/api/v1/files/${encodeURIComponent(id)}`, {
        signal,
        headers: { 'x-longshore-background': '1' },
      }),
    refetchInterval: ({ state }) => (state.data !== undefined && isOpen(state.data) ? OPEN_REFETCH_MS : false),
  });
  useLive((event) => {
    if ((event.event === 'changed' || event.event === 'progress') && event.data.file_id !== id) return;
    if (event.event === 'action' || event.event === 'ready') return;
    for (const queryKey of [['file', id], ['timeline', id], ['job']]) void client.invalidateQueries({ queryKey });
  });
  useNeighbours(id);
  return (
    <Fetched query={file} heading="File">
      {(found) => <FilePage file={found} />}
    </Fetched>
  );
}

/** `[` and `]` go to the one before and after in the list from which the file was opened. */
function useNeighbours(id: string): void {
  const navigate = useNavigate();
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLElement && event.target.matches('input, textarea, select')) return;
      const { before, after } = neighboursOf(id);
      const to = event.key === '[' ? before : event.key === ']' ? after : undefined;
      if (to !== undefined) void navigate({ to: `/files/${to}` as string });
    };
    addEventListener('keydown', hear);
    return () => removeEventListener('keydown', hear);
  }, [id, navigate]);
}

function FilePage({ file }: { readonly file: FileDetail }) {
  const [search, change] = useUrlState();
  const isHeld = file.jobs.some(({ wait_reason: reason }) => reason === 'HELD');
  const verbs: ActionVerb[] = [
    ...(file.status === 'failed' ? (['retry'] as const) : []),
    ...(file.status === 'quarantined' ? (['reroute'] as const) : []),
    ...(isHeld ? (['release', 'reject'] as const) : []),
    ...(isOpen(file) && file.jobs.length > 0 ? (['cancel'] as const) : []),
    ...(file.status === 'completed' || file.status === 'failed' ? (['resend'] as const) : []),
  ];
  const jobIds = file.jobs.map(({ job_id: jobId }) => jobId);
  return (
    <article className="stack">
      <header className={styles.head}>
        <div className="row">
          <h1 className={styles.name}>
            <PlainText>{file.file_name}</PlainText>
          </h1>
          <StateBadge state={file.status} />
          <span className="grow" />
          <VerbButtons
            isFirstPrimary
            verbs={verbs}
            scopeOf={(verb) => ({
              filter: VERBS[verb].subject === 'file' ? { ids: [file.file_id] } : { file_ids: [file.file_id] },
            })}
          />
          <a href={`/console/as/${encodeURIComponent(file.customer_id)}/files/${file.file_id}`}>
            As {file.customer_id} sees it
          </a>
          <Copy text={location.href} label="Copy link" />
          <CopyCommand words={['status', file.file_id]} />
        </div>
        <p className="muted">
          {file.customer_id} · {prettyBytes(file.file_size)} · {file.source}
          {file.uploaded_by !== null && (
            <>
              {' '}
              by <PlainText>{file.uploaded_by}</PlainText>
            </>
          )}{' '}
          · arrived <Time at={file.registered_at} tenant={file.customer_id} isRelative />
          {file.finished_at !== null && (
            <>
              {' '}
              · {file.status} <Time at={file.finished_at} tenant={file.customer_id} /> after{' '}
              {durationText(Math.max(0, Date.parse(file.finished_at) - Date.parse(file.registered_at)))}
            </>
          )}
        </p>
      </header>
      <Explanation file={file} />
      {placeJobs(file.jobs).map(({ job, depth }) => (
        <Stages key={job.job_id} jobId={job.job_id} depth={depth} isOpen={job.finished_at === null} />
      ))}
      <Tabs
        label="About the file"
        current={search.tab}
        onChange={(tab) => change({ tab: tab === 'timeline' ? undefined : tab }, true)}
        tabs={[
          {
            id: 'timeline',
            label: 'Timeline',
            panel: () => <Timeline file={file} />,
          },
          { id: 'jobs', label: `Jobs ${file.jobs.length}`, panel: () => <Jobs file={file} /> },
          { id: 'copies', label: `Copies ${file.transfers.length}`, panel: () => <Copies file={file} /> },
          { id: 'deliveries', label: `Deliveries ${file.deliveries.length}`, panel: () => <Deliveries file={file} /> },
          { id: 'audit', label: `Audit ${file.audit.length}`, panel: () => <Audit file={file} /> },
          { id: 'details', label: 'Details', panel: () => <Details file={file} jobIds={jobIds} /> },
        ]}
      />
    </article>
  );
}

function Explanation({ file }: { readonly file: FileDetail }) {
  const codes = useErrorCodes();
  const job = useJob(file.jobs.findLast(({ state }) => state === 'FAILED')?.job_id ?? file.jobs.at(-1)?.job_id);
  const records = job.data?.record_summary ? explainRecords(job.data.record_summary) : undefined;
  if (file.error === null && records === undefined) return null;
  const explained = file.error === null ? undefined : explainFailure(codes, file.error);
  return (
    <section className={file.error === null ? styles.note : styles.fault} aria-label="What happened">
      {file.error !== null && (
        <p>
          <code>
            {file.error.code} {file.error.cause}
          </code>
        </p>
      )}
      <p>
        <strong>What happened: </strong>
        {records !== undefined && `${records} `}
        {explained !== undefined && <PlainText>{explained.happened}</PlainText>}
      </p>
      {file.jobs
        .filter(({ parent_job_id: parent, error }) => parent !== null && error !== null)
        .map(({ job_id: id, route, branch, error }) => (
          <p key={id}>
            <strong>{jobName({ route, branch })}: </strong>
            <code>
              {error?.code} {error?.cause}
            </code>{' '}
            <PlainText>{error?.message}</PlainText>
          </p>
        ))}
      {explained !== undefined && (
        <p>
          <strong>What to do: </strong>
          {explained.remedy}
        </p>
      )}
    </section>
  );
}

function useJob(id: string | undefined, isRunning = false) {
  return useQuery({
    queryKey: ['job', id],
    queryFn: ({ signal }) =>
      get<JobDetail>(`/api/v1/jobs/${id}`, { signal, headers: { 'x-longshore-background': '1' } }),
    enabled: id !== undefined,
    refetchInterval: isRunning ? OPEN_REFETCH_MS : false,
  });
}

const WAIT_WORDS: Readonly<Record<string, string>> = {
  HELD: 'a person',
  BRANCHES: 'its branches',
  ANY_BRANCH: 'the first branch that succeeds',
  RECORDS: 'its records',
  QUIET_HOURS: 'its quiet hours',
  BATCH: 'its batch',
  PARTNER_PAUSED: 'a partner that an operator paused',
  PARTNER_BREAKER_OPEN: 'a partner whose breaker is open',
};
const INDENT_PX = 20;
/** Deeper ones would be too narrow on a phone. */
const MOST_INDENTED = 3;

interface StagesProps {
  readonly jobId: string;
  /** How many jobs wait for it, one through the other. */
  readonly depth: number;
  readonly isOpen: boolean;
}

/** The steps of a job in their order, with how long each took, or what it waits for. */
function Stages({ jobId, depth, isOpen: isRunning }: StagesProps) {
  const job = useJob(jobId, isRunning);
  if (job.data === undefined) return null;
  const { route, branch, steps, state, wait_reason: waitReason, next_action_at: next, customer_id: tenant } = job.data;
  const { lane, batch_id: batchId } = job.data;
  const name = jobName({ route, branch });
  return (
    <section
      aria-label={`Steps on ${name}`}
      className={styles.stages}
      style={{ marginInlineStart: `${Math.min(depth, MOST_INDENTED) * INDENT_PX}px` }}
    >
      <span>
        {depth > 0 && <span className="muted">{branch === null ? 'sub-route ' : 'branch '}</span>}
        <Link to={`/routes/${tenant}/${route}` as string}>{name}</Link>
        {lane !== 'standard' && <span className="muted"> {lane}</span>}
      </span>
      <ol>
        {steps.map((step) => (
          <li key={step.seq} data-state={step.state}>
            <strong>{step.kind}</strong> <StateBadge state={step.state} />
            <br />
            <span className="muted">
              {step.started_at !== null && step.finished_at !== null
                ? durationText(Date.parse(step.finished_at) - Date.parse(step.started_at))
                : ''}
              {step.attempts > 1 ? ` ${step.attempts} attempts` : ''}
            </span>
          </li>
        ))}
      </ol>
      {batchId !== null && <BatchLine id={batchId} />}
      {state === 'WAITING' && (
        <p>
          Waits for {WAIT_WORDS[waitReason ?? ''] ?? waitReason}
          {next !== null && (
            <>
              , next try <Time at={next} tenant={tenant} />
            </>
          )}
        </p>
      )}
    </section>
  );
}

function Jobs({ file }: { readonly file: FileDetail }) {
  if (file.jobs.length === 0) return <p>No route took the file, so it has no job.</p>;
  return (
    <div className="sideways">
      <table>
        <thead>
          <tr>
            {['Route', 'State', 'Run', 'Generation', 'Step', 'Attempts', 'Why', 'Records'].map((title) => (
              <th key={title}>{title}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {placeJobs(file.jobs).map(({ job, depth }) => (
            <tr key={job.job_id}>
              <td style={{ paddingInlineStart: `${Math.min(depth, MOST_INDENTED) * INDENT_PX + 8}px` }}>
                {jobName(job)} v{job.route_version}
              </td>
              <td>
                <StateBadge state={job.state} />
              </td>
              <td>{job.run}</td>
              <td>{job.generation}</td>
              <td>{job.step}</td>
              <td>
                {job.step_attempts} of {job.max_attempts}
              </td>
              <td>
                <PlainText>{job.error?.message ?? job.wait_reason}</PlainText>
              </td>
              <td>
                <Records jobId={job.job_id} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Records({ jobId }: { readonly jobId: string }) {
  const job = useJob(jobId);
  const summary = job.data?.record_summary;
  if (!summary) return null;
  const total = Object.values(summary.by_state).reduce((sum, count) => sum + count, 0);
  return <Link to={`/jobs/${jobId}/records` as string}>{countText(total)} records</Link>;
}

function Copies({ file }: { readonly file: FileDetail }) {
  if (file.transfers.length === 0) return <p>The file was not copied in parts.</p>;
  return (
    <ul className={styles.plain}>
      {file.transfers.map((copy) => (
        <li key={`${copy.job_id}-${copy.purpose}-${copy.started_at}`}>
          <StateBadge state={copy.state} /> {copy.purpose}: {prettyBytes(copy.bytes_done)}
          {copy.bytes_total !== null && ` of ${prettyBytes(copy.bytes_total)}`}
          {copy.finished_at === null && copy.bytes_per_second > 0 && `, ${prettyBytes(copy.bytes_per_second)}/s`}
          {copy.proof !== null && ` · verified by ${copy.proof}`}
        </li>
      ))}
    </ul>
  );
}

function Deliveries({ file }: { readonly file: FileDetail }) {
  if (file.deliveries.length === 0) return <p>Nothing was delivered.</p>;
  return (
    <ul className={styles.plain}>
      {file.deliveries.map(({ job_id: jobId, bucket, key, delivered_at: at }) => (
        <li key={`${jobId}-${key}`}>
          <Time at={at} tenant={file.customer_id} /> <PlainText>{`${bucket}/${key}`}</PlainText>{' '}
          <Copy text={`s3://${bucket}/${key}`} />
        </li>
      ))}
    </ul>
  );
}

function Audit({ file }: { readonly file: FileDetail }) {
  return (
    <ol className={styles.plain}>
      {file.audit.map(({ event_id: id, at, type, actor, detail }) => (
        <li key={id}>
          <Time at={at} tenant={file.customer_id} isExact /> <strong>{type}</strong>{' '}
          <span className="muted">
            <PlainText>{actor}</PlainText>
          </span>
          {Object.keys(detail).length > 0 && <JsonView value={detail} isOpen={false} />}
        </li>
      ))}
    </ol>
  );
}

function Details({ file, jobIds }: { readonly file: FileDetail; readonly jobIds: readonly string[] }) {
  const { location: place } = file;
  return (
    <div className="stack">
      <dl>
        <dt>Id</dt>
        <dd>
          <code>{file.file_id}</code> <Copy text={file.file_id} />
        </dd>
        <dt>Path</dt>
        <dd>
          <PlainText>{file.key}</PlainText>
        </dd>
        <dt>Now in the {place.place}</dt>
        <dd>
          <PlainText>{`${place.bucket}/${place.key}`}</PlainText>
        </dd>
        <dt>Checksum</dt>
        <dd>
          <code>{file.checksum ?? 'none'}</code>
        </dd>
        {file.expires_at !== null && (
          <>
            <dt>Kept until</dt>
            <dd>
              <Time at={file.expires_at} tenant={file.customer_id} />
            </dd>
          </>
        )}
        {file.objects_expired_at !== null && (
          <>
            <dt>Objects deleted</dt>
            <dd>
              <Time at={file.objects_expired_at} tenant={file.customer_id} />, when their retention ended
            </dd>
          </>
        )}
        {file.duplicate_of !== null && (
          <>
            <dt>Same content as</dt>
            <dd>
              <Link to={`/files/${file.duplicate_of}` as string}>{file.duplicate_of}</Link>
            </dd>
          </>
        )}
        {file.parent_file_id !== null && (
          <>
            <dt>Made from</dt>
            <dd>
              <Link to={`/files/${file.parent_file_id}` as string}>{file.parent_file_id}</Link>
            </dd>
          </>
        )}
        <dt>In the logs</dt>
        <dd>
          <Copy text={`grep -E '${[file.file_id, ...jobIds].join('|')}' .longshore/logs/*.log`} label="Copy grep" />
        </dd>
      </dl>
      <JsonView value={file} isOpen={false} name="As JSON" />
    </div>
  );
}
