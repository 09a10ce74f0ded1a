/** One campaign: how far it is, what was reported, its first mails as they look, and each recipient. */

import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { get } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { whileThere } from '../../api/query-client.ts';
import { type Campaign, CampaignProgress } from '../../parts/campaigns/campaign-progress.tsx';
import { CampaignVerbs } from '../../parts/campaigns/campaign-verbs.tsx';
import { FirstMails } from '../../parts/campaigns/first-mails.tsx';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import type { Column } from '../../parts/grid/grid.tsx';
import { PagedGrid } from '../../parts/grid/paged-grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { useUrlState } from '../../parts/url-state.ts';

interface Recipient {
  readonly line: number;
  readonly state: string;
  readonly code: string | null;
  readonly message: string | null;
  readonly events: readonly { readonly kind: string; readonly at: string; readonly code: string | null }[];
}

interface RecipientPage {
  readonly recipients: readonly Recipient[];
  readonly next_cursor: string | null;
}

const REFETCH_MS = 2_000;
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
  const refusal = useRefusal('campaigns:change');
  const campaign = useQuery({
    queryKey: ['campaign', id],
    queryFn: ({ signal }) => get<Campaign>(`${path}/status`, { headers: { 'x-longshore-background': '1' }, signal }),
    refetchInterval: whileThere(REFETCH_MS),
  });
  return (
    <Fetched query={campaign} heading="Campaign">
      {(shown) => (
        <>
          <div className="row">
            <h1>
              <PlainText>{shown.name}</PlainText>
            </h1>
            <StateBadge state={shown.status} />
            {shown.waiting_for !== null && <span className="muted">{shown.waiting_for}</span>}
            <span className="grow" />
            <CampaignVerbs campaign={shown} refusal={refusal} onDone={() => campaign.refetch()} />
            <CopyCommand words={['campaigns', 'status', id]} />
          </div>
          <CampaignProgress campaign={shown} />
          <Counts title="Recipients" counts={shown.recipients} />
          <Counts title="Mails" counts={shown.messages} />
          <Counts title="Reported" counts={shown.events} />
          {shown.error !== null && (
            <p role="alert">
              <code>{shown.error.code}</code> {shown.error.message}
            </p>
          )}
          <FirstMails path={path} />
          <Recipients path={path} />
        </>
      )}
    </Fetched>
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

function Recipients({ path }: { readonly path: string }) {
  const [search, change] = useUrlState();
  const { state, code, event, address } = search;
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
      <PagedGrid
        label="Recipients"
        path={`${path}/recipients`}
        query={{ state, code, event, address }}
        rowsOf={({ recipients }: RecipientPage) => recipients}
        columns={COLUMNS}
        rowId={({ line }) => String(line)}
        rowName={({ line }) => `line ${line}`}
        empty={<Empty title="No recipient fits." />}
      />
    </>
  );
}
