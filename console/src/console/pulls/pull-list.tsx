/** Pulls, newest first; one that ended is run again with a reason. */

import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import prettyBytes from 'pretty-bytes';
import { useState } from 'react';
import type { Pull, PullPage } from '#services/control-api/pulls/pull-fields.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { useErrorCodes } from '../../api/problems.ts';
import { perPage } from '../../api/query-client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { JsonView } from '../../parts/json-view.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';

const REFETCH_MS = 5_000;
const FILTERS = ['status', 'tenant', 'remote', 'source', 'project'] as const;
const STATUSES = ['ERROR', 'RUNNING', 'TRIGGERED', 'SEEN', 'COMPLETED', 'SKIPPED'];
const ENDED: readonly string[] = ['COMPLETED', 'ERROR', 'SKIPPED'];

const COLUMNS: readonly Column<Pull>[] = [
  { id: 'state', title: 'State', width: '120px', cell: ({ status }) => <StateBadge state={status} /> },
  {
    id: 'file',
    title: 'File',
    width: 'minmax(200px, 3fr)',
    cell: ({ file }) => (
      <span title={file.remotePath}>
        <PlainText>{nameFirst(file.remotePath)}</PlainText>
      </span>
    ),
  },
  { id: 'tenant', title: 'Tenant', width: 'minmax(100px, 1fr)', cell: ({ tenant }) => tenant },
  { id: 'remote', title: 'Remote', width: 'minmax(100px, 1fr)', cell: ({ remote }) => remote },
  { id: 'source', title: 'Source', width: 'minmax(100px, 1fr)', cell: ({ source }) => source ?? 'on request' },
  { id: 'stage', title: 'Stage', width: 'minmax(120px, 1fr)', cell: stageText },
  { id: 'tries', title: 'Tries', width: '60px', isNumber: true, cell: ({ attempts }) => attempts },
  {
    id: 'updated',
    title: 'Updated',
    width: '160px',
    cell: ({ updatedAt, tenant }) => <Time at={updatedAt} tenant={tenant} />,
  },
  {
    id: 'why',
    title: 'Why',
    width: 'minmax(200px, 3fr)',
    cell: ({ error }) =>
      error === null ? (
        ''
      ) : (
        <span title={error.message}>
          <code>{error.cause || error.code}</code> <PlainText>{error.message}</PlainText>
        </span>
      ),
  },
];

/** What is cut off where it is too long is the directory. */
function nameFirst(path: string): string {
  const at = path.lastIndexOf('/') + 1;
  return at === 0 ? path : `${path.slice(at)} in ${path.slice(0, at)}`;
}

export function PullList() {
  const [search, change] = useUrlState();
  const filters = Object.fromEntries(FILTERS.map((name) => [name, search[name]]));
  const pages = useInfiniteQuery({
    queryKey: ['pulls', filters],
    queryFn: ({ signal, pageParam }) =>
      get<PullPage>('/api/v1/pulls', {
        query: { ...filters, limit: 100, cursor: pageParam },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: perPage(REFETCH_MS),
  });
  return (
    <div className="stack">
      <FilterBar
        fields={FILTERS.map((name) => ({ name, label: name, ...(name === 'status' && { options: STATUSES }) }))}
        values={filters}
        onChange={change}
      />
      <Fetched query={pages}>
        {({ pages: found }) => {
          const rows = found.flatMap(({ pulls }) => pulls);
          const shown = rows.find(({ jobId }) => jobId === search.pull);
          return (
            <>
              {rows.length === 0 ? (
                <Empty
                  title={Object.values(filters).some(Boolean) ? 'No pull matches.' : 'Nothing has been fetched yet.'}
                />
              ) : (
                <Grid
                  label="Files fetched"
                  columns={COLUMNS}
                  rows={rows}
                  rowId={({ jobId }) => jobId}
                  rowName={({ file }) => file.fileName}
                  onOpen={({ jobId }) => change({ pull: jobId })}
                  hasMore={pages.hasNextPage}
                  onMore={() => void pages.fetchNextPage()}
                  isFetching={pages.isFetchingNextPage}
                />
              )}
              {shown !== undefined && (
                <PullDialog
                  pull={shown}
                  onClose={() => change({ pull: undefined })}
                  onRun={() => void pages.refetch()}
                />
              )}
            </>
          );
        }}
      </Fetched>
    </div>
  );
}

interface PullDialogProps {
  readonly pull: Pull;
  readonly onClose: () => void;
  readonly onRun: () => void;
}

function PullDialog({ pull, onClose, onRun }: PullDialogProps) {
  const { jobId: id, tenant, file, error } = pull;
  const [isAsking, setIsAsking] = useState(false);
  const codes = useErrorCodes();
  const known = error === null ? undefined : (codes[error.cause] ?? codes[error.code]);
  const forbidden = useRefusal('pulls:change');
  const refusal = forbidden ?? (ENDED.includes(pull.status) ? undefined : 'It has not ended yet.');
  if (isAsking)
    return (
      <ReasonDialog
        title={`Fetch ${file.fileName} again`}
        verb="Fetch again"
        words={['pull', 'retrigger', id]}
        act={async (reason) => {
          await post(`/api/v1/pulls/${id}/retrigger`, { reason });
          say('It is fetched again.');
          onRun();
        }}
        onClose={() => setIsAsking(false)}
      >
        <p>
          It runs as its next generation. One that has landed, and failed to clean up at the remote, only does that.
        </p>
      </ReasonDialog>
    );
  return (
    <Dialog
      title={`${pull.remote}: ${file.fileName}`}
      isWide
      onClose={onClose}
      actions={
        <>
          <CopyCommand words={['pull', id]} />
          <button
            type="button"
            className="primary"
            disabled={refusal !== undefined}
            title={refusal}
            onClick={() => setIsAsking(true)}
          >
            Fetch again…
          </button>
        </>
      }
    >
      {error !== null && (
        <section aria-label="What happened" className="stack">
          <p>
            <strong>What happened:</strong> <PlainText>{error.message}</PlainText>{' '}
            <code>
              {error.code} {error.cause}
            </code>
          </p>
          {known !== undefined && (
            <p>
              <strong>What to do:</strong> {known.remedy}
            </p>
          )}
        </section>
      )}
      <dl>
        <dt>State</dt>
        <dd>
          <StateBadge state={pull.status} /> {stageText(pull)}
          {pull.nextActionAt !== null && (
            <>
              , next try <Time at={pull.nextActionAt} tenant={tenant} />
            </>
          )}
        </dd>
        <dt>From</dt>
        <dd>
          {tenant}/{pull.remote}, <PlainText>{file.remotePath}</PlainText>
        </dd>
        <dt>To</dt>
        <dd>
          {pull.s3 === null ? 'not landed yet' : <PlainText>{`s3://${pull.s3.bucket}/${pull.s3.key}`}</PlainText>}
        </dd>
        <dt>File</dt>
        <dd>{pull.fileId === null ? '–' : <Link to={`/files/${pull.fileId}` as string}>{pull.fileId}</Link>}</dd>
        <dt>Size</dt>
        <dd>{pull.sizeBytes === null ? '–' : prettyBytes(pull.sizeBytes)}</dd>
        {pull.sourceReplaced && (
          <>
            <dt>At the remote</dt>
            <dd>▲ Another file had taken its name, and was left as it is.</dd>
          </>
        )}
      </dl>
      <details>
        <summary>As the API shows it</summary>
        <JsonView value={pull} />
      </details>
    </Dialog>
  );
}

function stageText({ transferStage: stage, bytesDone, sizeBytes, waitReason, generation }: Pull): string {
  const share = bytesDone === null || !sizeBytes ? '' : ` ${Math.floor((100 * bytesDone) / sizeBytes)} %`;
  const wait = waitReason === null ? '' : `, ${waitReason.toLowerCase()}`;
  return `${stage.toLowerCase()}${share}${wait}${generation > 1 ? `, generation ${generation}` : ''}`;
}
