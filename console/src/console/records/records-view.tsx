/** The records of a job: what happened to each line, by state and code; values only when they are asked for. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { JobDetail } from '#services/control-api/jobs/find-job.ts';
import type { RecordDetail, RecordPage } from '#services/control-api/records/find-records.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { Failed, Fetched, Loading } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { CsvButton } from '../../parts/csv/csv-button.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { FaultText } from '../../parts/fault-text.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { pagedRows } from '../../parts/grid/paged-rows.ts';
import { JsonView } from '../../parts/json-view.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';

const STATES = ['failed', 'ambiguous', 'rejected', 'success', 'pending'];
const REFETCH_MS = 3_000;
const EXPORTED_PAGE = 200;

type Row = RecordPage['records'][number];

export default function RecordsView() {
  const { id = '' } = useParams({ strict: false }) as { id?: string };
  const [search, change] = useUrlState();
  const [isRevealed, setIsRevealed] = useState(false);
  const [line, setLine] = useState<number>();
  const [isRetrying, setIsRetrying] = useState(false);
  const noValues = useRefusal('records:values');
  const noRetry = useRefusal('jobs:retry');
  const { state, code } = search;
  const job = useQuery({
    queryKey: ['job', id],
    queryFn: ({ signal }) =>
      get<JobDetail>(`/api/v1/jobs/${encodeURIComponent(id)}`, { signal, headers: { 'x-longshore-background': '1' } }),
    refetchInterval: ({ state: { data } }) => (data?.finished_at === null ? REFETCH_MS : false),
  });
  const readPage = (page: { cursor: string | undefined; limit: number }, signal: AbortSignal) =>
    get<RecordPage>(`/api/v1/jobs/${encodeURIComponent(id)}/records`, {
      query: { state, code, line: search.line, values: isRevealed || undefined, ...page },
      signal,
    });
  const pages = useInfiniteQuery({
    queryKey: ['records', id, state, code, search.line, isRevealed],
    queryFn: ({ pageParam, signal }) => readPage({ cursor: pageParam, limit: 200 }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  const rows = useMemo(() => pagedRows(pages.data?.pages.map(({ records }) => records) ?? []), [pages.data]);
  const columns = useMemo(() => columnsOf(isRevealed, setLine), [isRevealed]);
  return (
    <>
      <div className="row">
        <h1>Records</h1>
        <Fetched query={job} loading={null}>
          {(found) => (
            <Link to={`/files/${found.file_id}` as string}>
              {found.route}, {found.customer_id}
            </Link>
          )}
        </Fetched>
        <span className="grow" />
        <button
          type="button"
          aria-pressed={isRevealed}
          aria-disabled={noValues !== undefined}
          title={noValues ?? 'Sensitive columns stay hidden.'}
          onClick={() => noValues === undefined && setIsRevealed(!isRevealed)}
        >
          {isRevealed ? 'Hide values' : 'Reveal values'}
        </button>
        <button
          type="button"
          aria-disabled={noRetry !== undefined}
          title={noRetry}
          onClick={() => noRetry === undefined && setIsRetrying(true)}
        >
          Retry…
        </button>
        <CsvButton<Row>
          name="records"
          headings={[
            ...['line', 'state', 'key', 'call', 'tries', 'reference', 'code', 'cause', 'message'],
            ...(isRevealed ? ['values'] : []),
          ]}
          cellsOf={({ error, ...record }) => [
            ...[record.line, record.state, record.key, record.step, record.tries, record.reference],
            ...[error?.code, error?.cause, error?.message],
            ...(isRevealed ? [record.values && JSON.stringify(record.values)] : []),
          ]}
          readPage={async (cursor, signal) => {
            const { records, next_cursor: next } = await readPage({ cursor, limit: EXPORTED_PAGE }, signal);
            return { rows: records, next };
          }}
        />
        <CopyCommand words={['records', id, ...(state ? ['--state', state] : []), ...(code ? ['--code', code] : [])]} />
      </div>
      {job.data?.record_summary && (
        <ul className="row" style={{ padding: 0 }} aria-label="Records by state">
          {Object.entries(job.data.record_summary.by_state).map(([name, count]) => (
            <li key={name} className="row">
              <button type="button" className="plain" onClick={() => change({ state: name.toLowerCase() })}>
                <StateBadge state={name} /> {countText(count)}
              </button>
            </li>
          ))}
        </ul>
      )}
      <FilterBar
        fields={[
          { name: 'state', label: 'state', options: STATES },
          {
            name: 'code',
            label: 'code',
            options: [
              ...new Set(Object.keys(job.data?.record_summary?.by_code ?? {}).map((each) => each.split(' ')[0] ?? '')),
            ],
          },
          { name: 'line', label: 'line' },
        ]}
        values={search}
        onChange={change}
      />
      {pages.data === undefined ? (
        pages.error === null ? (
          <Loading what="Records are loading" />
        ) : (
          <Failed error={pages.error} onRetry={() => void pages.refetch()} />
        )
      ) : rows.length === 0 ? (
        <p>No record matches.</p>
      ) : (
        <Grid
          label="Records"
          rows={rows}
          rowId={(record) => String(record.line)}
          onOpen={(record) => setLine(record.line)}
          hasMore={pages.hasNextPage}
          onMore={() => void pages.fetchNextPage()}
          isFetching={pages.isFetching}
          columns={columns}
        />
      )}
      {line !== undefined && (
        <RecordDialog jobId={id} line={line} withValues={isRevealed} onClose={() => setLine(undefined)} />
      )}
      {isRetrying && <RetryDialog jobId={id} code={code} onClose={() => setIsRetrying(false)} />}
    </>
  );
}

function columnsOf(isRevealed: boolean, setLine: (line: number) => void): readonly Column<Row>[] {
  return [
    {
      id: 'line',
      title: 'Line',
      width: '90px',
      isNumber: true,
      cell: (record) => (
        <button type="button" className="plain" tabIndex={-1} onClick={() => setLine(record.line)}>
          {record.line}
        </button>
      ),
    },
    { id: 'state', title: 'State', width: '130px', cell: (record) => <StateBadge state={record.state} /> },
    {
      id: 'key',
      title: 'Key',
      width: 'minmax(120px, 1fr)',
      cell: (record) => <PlainText>{record.key}</PlainText>,
    },
    { id: 'call', title: 'Call', width: '140px', cell: (record) => <PlainText>{record.step}</PlainText> },
    { id: 'tries', title: 'Tries', width: '70px', isNumber: true, cell: (record) => record.tries },
    {
      id: 'reference',
      title: 'Reference',
      width: '140px',
      cell: (record) => <PlainText>{record.reference}</PlainText>,
    },
    {
      id: 'why',
      title: 'Why',
      width: 'minmax(240px, 3fr)',
      cell: ({ error }) => <FaultText fault={error} />,
    },
    ...(isRevealed
      ? [
          {
            id: 'values',
            title: 'Values',
            width: 'minmax(300px, 3fr)',
            cell: (record: Row) => (
              <PlainText>{record.values === undefined ? '' : JSON.stringify(record.values)}</PlainText>
            ),
          },
        ]
      : []),
  ];
}

interface RecordDialogProps {
  readonly jobId: string;
  readonly line: number;
  readonly withValues: boolean;
  readonly onClose: () => void;
}

function RecordDialog({ jobId, line, withValues, onClose }: RecordDialogProps) {
  const record = useQuery({
    queryKey: ['record', jobId, line, withValues],
    queryFn: ({ signal }) =>
      get<RecordDetail>(`/api/v1/jobs/${jobId}/records/${line}`, {
        query: { values: withValues || undefined },
        signal,
      }),
  });
  return (
    <Dialog title={`Line ${line}`} onClose={onClose} isWide>
      <Fetched query={record}>
        {({ attempts, values, ...found }) => (
          <>
            <p>
              <StateBadge state={found.state} /> <PlainText>{found.error?.message}</PlainText>
            </p>
            {values && <JsonView value={values} name="values" />}
            <ol>
              {attempts.map((attempt) => (
                <li key={attempt.request_id + attempt.started_at}>
                  <Time at={attempt.started_at} isExact /> {attempt.step}, try {attempt.attempt}: {attempt.outcome}
                  {attempt.http_status !== null && ` HTTP ${attempt.http_status}`} {durationText(attempt.duration_ms)}{' '}
                  <code>{attempt.request_id}</code> <PlainText>{attempt.error?.message}</PlainText>
                </li>
              ))}
            </ol>
          </>
        )}
      </Fetched>
    </Dialog>
  );
}

interface RetryReply {
  readonly records: number;
  readonly ambiguous: number;
}

interface RetryDialogProps {
  readonly jobId: string;
  readonly code: string | undefined;
  readonly onClose: () => void;
}

/** Failed records, at the call that failed; those whose effect is not known are left out. */
function RetryDialog({ jobId, code, onClose }: RetryDialogProps) {
  const client = useQueryClient();
  const [reason, setReason] = useState('');
  const scope = code === undefined ? {} : { codes: [code] };
  const path = `/api/v1/jobs/${jobId}/records/retry`;
  const preview = useQuery({
    queryKey: ['records-retry', jobId, code],
    queryFn: ({ signal }) => post<RetryReply>(path, { ...scope, dry_run: true }, { signal }),
    gcTime: 0,
  });
  const retry = useMutation({
    mutationFn: () => post<RetryReply>(path, { ...scope, reason: reason.trim() }),
    onSuccess: ({ records }) => {
      say(`${countText(records)} records are retried.`);
      void client.invalidateQueries();
      onClose();
    },
  });
  const canRun = reason.trim() !== '' && (preview.data?.records ?? 0) > 0 && !retry.isPending;
  return (
    <Dialog
      title="Retry records"
      onClose={onClose}
      actions={
        <>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form="retry-records" className="primary" disabled={!canRun}>
            Retry {preview.data && countText(preview.data.records)}
          </button>
        </>
      }
    >
      <Fetched query={preview}>
        {({ records, ambiguous }) => (
          <p>
            Takes {countText(records)} failed records{code !== undefined && ` with ${code}`}, with the same keys.
            {ambiguous > 0 && ` ${countText(ambiguous)} whose effect is not known are left out.`}
          </p>
        )}
      </Fetched>
      <form
        id="retry-records"
        onSubmit={(event) => {
          event.preventDefault();
          if (canRun) retry.mutate();
        }}
      >
        <label className="stack">
          Reason, kept in the audit
          <input value={reason} maxLength={500} required onChange={(event) => setReason(event.target.value)} />
        </label>
      </form>
      {retry.error !== null && <Failed error={retry.error} />}
    </Dialog>
  );
}
