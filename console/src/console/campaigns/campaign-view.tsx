/** One campaign: how far it is, what was reported, its first mails as they look, and each recipient. */

import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { whileThere } from '../../api/query-client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import type { Campaign } from './campaigns-view.tsx';

interface Recipient {
  readonly line: number;
  readonly state: string;
  readonly code: string | null;
  readonly message: string | null;
  readonly events: readonly { readonly kind: string; readonly at: string; readonly code: string | null }[];
}
interface Mail {
  readonly line: number;
  readonly subject: string;
  readonly html: string;
  readonly text: string;
}

const REFETCH_MS = 2_000;
const VERBS = [
  { verb: 'pause', label: 'Pause…', from: ['SENDING', 'WAITING', 'SCHEDULED', 'PREPARING', 'AWAITING_FILE'] },
  { verb: 'resume', label: 'Resume…', from: ['PAUSED', 'HELD'] },
  {
    verb: 'cancel',
    label: 'Cancel…',
    from: ['SENDING', 'WAITING', 'SCHEDULED', 'PREPARING', 'AWAITING_FILE', 'PAUSED', 'HELD'],
  },
] as const;

const COLUMNS: readonly Column<Recipient>[] = [
  { id: 'line', title: 'Line', width: '90px', cell: ({ line }) => line },
  { id: 'state', title: 'State', width: '150px', cell: ({ state }) => <StateBadge state={state} /> },
  { id: 'code', title: 'Code', width: '180px', cell: ({ code }) => code },
  {
    id: 'events',
    title: 'Reported',
    width: 'minmax(160px, 1fr)',
    cell: ({ events }) => events.map(({ kind, code }) => (code === null ? kind : `${kind} ${code}`)).join(', '),
  },
  {
    id: 'message',
    title: 'Message',
    width: 'minmax(160px, 2fr)',
    cell: ({ message }) => message !== null && <PlainText>{message}</PlainText>,
  },
];

export default function CampaignView() {
  const { id = '' } = useParams({ strict: false }) as { id?: string };
  const path = `/api/v1/campaigns/${id}`;
  const [verb, setVerb] = useState<(typeof VERBS)[number]>();
  const refusal = useRefusal('campaigns:change');
  const campaign = useQuery({
    queryKey: ['campaign', id],
    queryFn: ({ signal }) => get<Campaign>(`${path}/status`, { headers: { 'x-longshore-background': '1' }, signal }),
    refetchInterval: whileThere(REFETCH_MS),
  });
  return (
    <Fetched query={campaign}>
      {(shown) => (
        <>
          <div className="row">
            <h1>
              <PlainText>{shown.name}</PlainText>
            </h1>
            <StateBadge state={shown.status} />
            {shown.waiting_for !== null && <span className="muted">{shown.waiting_for}</span>}
            <span className="grow" />
            {VERBS.filter(({ from }) => (from as readonly string[]).includes(shown.status)).map((each) => (
              <button
                key={each.verb}
                type="button"
                disabled={refusal !== undefined}
                title={refusal}
                onClick={() => setVerb(each)}
              >
                {each.label}
              </button>
            ))}
            <CopyCommand words={['campaigns', 'status', id]} />
          </div>
          <Progress campaign={shown} />
          <Counts title="Recipients" counts={shown.recipients} />
          <Counts title="Mails" counts={shown.messages} />
          <Counts title="Reported" counts={shown.events} />
          {shown.error !== null && (
            <p role="alert">
              <code>{shown.error.code}</code> {shown.error.message}
            </p>
          )}
          <Preview path={path} />
          <Recipients path={path} />
          {verb !== undefined && (
            <ReasonDialog
              title={shown.name}
              verb={verb.label.replace('…', '')}
              words={['campaigns', verb.verb, id]}
              act={async (reason) => {
                await post(`${path}/${verb.verb}`, { reason });
                await campaign.refetch();
              }}
              onClose={() => setVerb(undefined)}
            />
          )}
        </>
      )}
    </Fetched>
  );
}

function Progress({ campaign: { messages, recipients, expected_end_at: ends } }: { readonly campaign: Campaign }) {
  const ended = messages.sent + messages.failed + messages.ambiguous + recipients.suppressed;
  return (
    <p>
      <progress value={ended} max={Math.max(1, recipients.valid)} aria-label="Mails that have ended" /> {ended} of{' '}
      {recipients.valid}
      {ends !== null && <span className="muted"> about until {new Date(ends).toLocaleString()}</span>}
    </p>
  );
}

function Counts({ title, counts }: { readonly title: string; readonly counts: Readonly<Record<string, number>> }) {
  const words = Object.entries(counts).map(([word, count]) => `${count} ${word.replaceAll('_', ' ')}`);
  return (
    <p>
      <strong>{title}:</strong> {words.join(', ')}
    </p>
  );
}

/** A mail is a stranger's page: nothing in it runs, and nothing is fetched. */
function Preview({ path }: { readonly path: string }) {
  const [isOpen, setOpen] = useState(false);
  const preview = useQuery({
    queryKey: ['campaign-preview', path],
    queryFn: ({ signal }) => get<{ mails: Mail[] }>(`${path}/preview`, { signal }),
    enabled: isOpen,
    retry: false,
  });
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>The first mails</summary>
      {isOpen && (
        <Fetched query={preview}>
          {({ mails }) =>
            mails.map(({ line, subject }) => (
              <section key={line}>
                <h2>
                  Line {line}: <PlainText>{subject}</PlainText>
                </h2>
                <iframe
                  title={`Mail of line ${line}`}
                  sandbox=""
                  src={`${path}/preview/${line}`}
                  width="100%"
                  height="320"
                />
              </section>
            ))
          }
        </Fetched>
      )}
    </details>
  );
}

function Recipients({ path }: { readonly path: string }) {
  const [search, change] = useUrlState();
  const { state, code, event, address } = search;
  const pages = useInfiniteQuery({
    queryKey: ['campaign-recipients', path, state, code, event, address],
    queryFn: ({ pageParam, signal }) =>
      get<{ recipients: Recipient[]; next_cursor: string | null }>(`${path}/recipients`, {
        query: { state, code, event, address, cursor: pageParam, limit: 100 },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  const states = ['SUCCESS', 'FAILED', 'AMBIGUOUS', 'PENDING', 'REJECTED', 'SUPPRESSED'];
  const kinds = ['delivered', 'bounced_hard', 'bounced_soft', 'complained', 'opened', 'clicked'];
  return (
    <>
      <h2>Recipients</h2>
      <FilterBar
        fields={[
          { name: 'address', label: 'address', placeholder: 'ada@example.com' },
          { name: 'state', label: 'state', options: states },
          { name: 'event', label: 'reported', options: kinds },
          { name: 'code', label: 'code' },
        ]}
        values={search}
        onChange={change}
      />
      <Fetched query={pages}>
        {({ pages: found }) => {
          const rows = found.flatMap(({ recipients }) => recipients);
          if (rows.length === 0) return <Empty title="No recipient fits." />;
          return (
            <Grid
              label="Recipients"
              columns={COLUMNS}
              rows={rows}
              rowId={({ line }) => String(line)}
              rowName={({ line }) => `line ${line}`}
              hasMore={pages.hasNextPage}
              onMore={() => void pages.fetchNextPage()}
              isFetching={pages.isFetching}
            />
          );
        }}
      </Fetched>
    </>
  );
}
