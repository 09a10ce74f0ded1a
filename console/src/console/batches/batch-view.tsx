/** One batch: its files, what its manifest named and did not come, and closing it with what is there. */
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import type { BatchDetail } from '#services/control-api/batches/find-batches.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { whileThere } from '../../api/query-client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { countText, Time } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';
import { BatchState, filesText } from './batch-words.tsx';

type Member = BatchDetail['members'][number];

const REFETCH_MS = 3_000;

const COLUMNS: readonly Column<Member>[] = [
  {
    id: 'state',
    title: 'State',
    width: '150px',
    cell: ({ state, wait_reason: reason }) => (
      <StateBadge state={reason === 'BATCH' ? 'waits for the batch' : state} title={reason ?? undefined} />
    ),
  },
  {
    id: 'path',
    title: 'File',
    width: 'minmax(220px, 3fr)',
    cell: ({ path, file_id: id }) => (
      <Link to={`/files/${id}` as string}>
        <PlainText>{path}</PlainText>
      </Link>
    ),
  },
  {
    id: 'why',
    title: 'Why',
    width: 'minmax(200px, 3fr)',
    cell: ({ code, cause, message }) =>
      code === null ? (
        ''
      ) : (
        <>
          <code>
            {code} {cause}
          </code>{' '}
          <PlainText>{message}</PlainText>
        </>
      ),
  },
];

export default function BatchView() {
  const { id = '' } = useParams({ strict: false }) as { id?: string };
  const navigate = useNavigate();
  const [isClosing, setIsClosing] = useState(false);
  const forbidden = useRefusal('jobs:review');
  const query = useQuery({
    queryKey: ['batch', id],
    queryFn: ({ signal }) =>
      get<BatchDetail>(`/api/v1/batches/${id}`, { headers: { 'x-longshore-background': '1' }, signal }),
    refetchInterval: whileThere(REFETCH_MS),
  });
  return (
    <Fetched query={query} heading="Batch">
      {(batch) => (
        <>
          <div className="row">
            <h1>
              Batch of {batch.customer_id}/{batch.route}
            </h1>
            <BatchState batch={batch} />
            <span className="grow" />
            {batch.state === 'OPEN' && (
              <button
                type="button"
                disabled={forbidden !== undefined}
                title={forbidden}
                onClick={() => setIsClosing(true)}
              >
                Close…
              </button>
            )}
            <CopyCommand words={['batches', 'show', id]} />
          </div>
          <Facts batch={batch} />
          {batch.missing.length > 0 && <Missing paths={batch.missing} />}
          {batch.members.length === 0 ? (
            <Empty title="It has no file." />
          ) : (
            <Grid
              label="Files of the batch"
              columns={COLUMNS}
              rows={batch.members}
              rowId={({ job_id: job }) => job}
              rowName={({ path }) => path}
              onOpen={({ file_id: file }) => void navigate({ to: `/files/${file}` as string })}
            />
          )}
          {batch.files > batch.members.length && (
            <p className="muted">The first {countText(batch.members.length)} are shown, failed ones first.</p>
          )}
          {isClosing && (
            <ReasonDialog
              title={`Close the batch with ${filesText(batch)}`}
              verb="Close the batch"
              words={['batches', 'close', id]}
              act={async (reason) => {
                await post(`/api/v1/batches/${id}/close`, { reason });
                say('The batch is closed.');
                await query.refetch();
              }}
              onClose={() => setIsClosing(false)}
            >
              <p>Its files are processed now. Files that come later join the next batch.</p>
            </ReasonDialog>
          )}
        </>
      )}
    </Fetched>
  );
}

function Facts({ batch }: { readonly batch: BatchDetail }) {
  const { customer_id: tenant, closed_at: closed, closed_by: by, closes_at: until, full_at: fullAt, expected } = batch;
  return (
    <dl>
      <dt>Files</dt>
      <dd>{filesText(batch)}</dd>
      <dt>Takes</dt>
      <dd>{batch.directory === null ? 'every file of the route' : <PlainText>{batch.directory}</PlainText>}</dd>
      <dt>Opened</dt>
      <dd>
        <Time at={batch.opened_at} tenant={tenant} />, last file <Time at={batch.last_joined_at} tenant={tenant} />
      </dd>
      <dt>Closed</dt>
      <dd>
        {closed !== null ? (
          <>
            <Time at={closed} tenant={tenant} /> by {by}
          </>
        ) : (
          <>
            not yet: {fullAt !== null && `with ${fullAt} files; `}
            {expected !== null && `with the ${expected} files of its manifest; `}
            {until !== null && (
              <>
                at <Time at={until} tenant={tenant} />;{' '}
              </>
            )}
            or by a person
          </>
        )}
      </dd>
      <dt>Ended</dt>
      <dd>
        <Time at={batch.finished_at} tenant={tenant} />
      </dd>
      {batch.manifest_file_id !== null && (
        <>
          <dt>Manifest</dt>
          <dd>
            <Link to={`/files/${batch.manifest_file_id}` as string}>{batch.manifest_file_id}</Link>
          </dd>
        </>
      )}
    </dl>
  );
}

function Missing({ paths }: { readonly paths: readonly string[] }) {
  return (
    <section aria-label="Missing" className="card stack">
      <h2>▲ {countText(paths.length)} missing</h2>
      <p>The manifest named them, and they were not there when the batch closed.</p>
      <ul>
        {paths.map((path) => (
          <li key={path}>
            <PlainText>{path}</PlainText>
          </li>
        ))}
      </ul>
    </section>
  );
}
