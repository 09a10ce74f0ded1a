/** Notices that no channel took, and trying them again. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { NoticePage } from '#services/control-api/operations/handle-notices.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { Empty, Fetched } from '../conditions.tsx';
import { CopyCommand } from '../copy-command.tsx';
import { type Column, Grid } from '../grid/grid.tsx';
import { PlainText } from '../plain-text.tsx';
import { ReasonDialog } from '../reason-dialog.tsx';
import { Time } from '../time.tsx';
import { say } from '../toast.tsx';

type Notice = NoticePage['notices'][number];

const REFETCH_MS = 5_000;

const COLUMNS: readonly Column<Notice>[] = [
  { id: 'tenant', title: 'Tenant', width: '140px', cell: ({ customer_id: tenant }) => tenant },
  { id: 'channel', title: 'Channel', width: 'minmax(120px, 1fr)', cell: ({ channel }) => channel },
  { id: 'notice', title: 'Notice', width: 'minmax(140px, 1fr)', cell: ({ notice }) => notice },
  { id: 'tries', title: 'Tries', width: '60px', isNumber: true, cell: ({ attempts }) => attempts },
  {
    id: 'since',
    title: 'Since',
    width: '110px',
    cell: ({ created_at: at, customer_id: tenant }) => <Time at={at} tenant={tenant} isRelative />,
  },
  {
    id: 'why',
    title: 'Why',
    width: 'minmax(200px, 3fr)',
    cell: ({ cause, message }) => (
      <>
        <code>{cause}</code> <PlainText>{message}</PlainText>
      </>
    ),
  },
];

interface ParkedNoticesProps {
  /** In a page of several parts. */
  readonly heading?: 'h1' | 'h2';
}

export function ParkedNotices({ heading: Heading = 'h2' }: ParkedNoticesProps) {
  const [isAsking, setIsAsking] = useState(false);
  const refusal = useRefusal('notices:retry');
  const notices = useQuery({
    queryKey: ['notices', 'parked'],
    queryFn: ({ signal }) =>
      get<NoticePage>('/api/v1/notices', {
        query: { state: 'parked', limit: 100 },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    refetchInterval: REFETCH_MS,
  });
  return (
    <section className="stack" aria-labelledby="notices">
      <div className="row">
        <Heading id="notices">{Heading === 'h1' ? 'Notices' : 'Parked notices'}</Heading>
        <span className="grow" />
        <CopyCommand words={['notices', '--state', 'parked']} />
        <button type="button" disabled={refusal !== undefined} title={refusal} onClick={() => setIsAsking(true)}>
          Try all again…
        </button>
      </div>
      <Fetched query={notices}>
        {({ notices: rows }) =>
          rows.length === 0 ? (
            <Empty title="No notice is parked." />
          ) : (
            <Grid
              label="Parked notices"
              columns={COLUMNS}
              rows={rows}
              rowId={({ notice_id: id, channel }) => `${id} ${channel}`}
            />
          )
        }
      </Fetched>
      {isAsking && (
        <ReasonDialog
          title="Try parked notices again"
          verb="Try again"
          words={['notices', 'retry']}
          act={async (reason) => {
            const { retried } = await post<{ retried: number }>('/api/v1/notices/retry', { reason });
            say(`${retried} are tried again.`);
            void notices.refetch();
          }}
          onClose={() => setIsAsking(false)}
        >
          <p>Each is tried again from its first attempt on.</p>
        </ReasonDialog>
      )}
    </section>
  );
}
