/** What was sent to one address, by all campaigns, newest first: the answer to "I never got that mail". */
import { useNavigate } from '@tanstack/react-router';
import { Empty } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import type { Column } from '../../parts/grid/grid.tsx';
import { PagedGrid } from '../../parts/grid/paged-grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';

interface SentMail {
  readonly transaction_id: string;
  readonly tenant: string;
  readonly campaign: string;
  readonly topic: string;
  readonly created_at: string;
  readonly line: number;
  readonly state: string;
  readonly code: string | null;
  readonly message_id: string | null;
  readonly events: readonly { readonly kind: string; readonly at: string; readonly code: string | null }[];
}

interface SentMailPage {
  readonly mails: readonly SentMail[];
  readonly next_cursor: string | null;
}

const COLUMNS: readonly Column<SentMail>[] = [
  { id: 'tenant', title: 'Tenant', width: '130px', cell: ({ tenant }) => tenant },
  {
    id: 'campaign',
    title: 'Campaign',
    width: 'minmax(160px, 2fr)',
    cell: (row) => <PlainText>{row.campaign}</PlainText>,
  },
  { id: 'created', title: 'Created', width: '160px', cell: (row) => <Time at={row.created_at} tenant={row.tenant} /> },
  { id: 'line', title: 'Line', width: '80px', cell: ({ line }) => line },
  { id: 'state', title: 'State', width: '130px', cell: ({ state }) => <StateBadge state={state} /> },
  { id: 'code', title: 'Code', width: '160px', cell: ({ code }) => code },
  {
    id: 'events',
    title: 'Reported',
    width: 'minmax(180px, 2fr)',
    cell: ({ events }) => (
      <PlainText>{events.map(({ kind, code }) => (code === null ? kind : `${kind} ${code}`)).join(', ')}</PlainText>
    ),
  },
  {
    id: 'message',
    title: 'Message id',
    width: 'minmax(120px, 1fr)',
    cell: ({ message_id: id }) => id !== null && <PlainText>{id}</PlainText>,
  },
];

export default function MailsView() {
  const [search, change] = useUrlState();
  const navigate = useNavigate();
  const { tenant, address } = search;
  return (
    <>
      <div className="row">
        <h1>Mails to an address</h1>
        <span className="grow" />
        {address !== undefined && <CopyCommand words={['campaigns', 'to', address]} />}
      </div>
      <FilterBar
        fields={[
          { name: 'address', label: 'address', placeholder: 'ada@example.com' },
          { name: 'tenant', label: 'tenant' },
        ]}
        values={search}
        onChange={change}
      />
      {address === undefined ? (
        <Empty title="Choose an address." />
      ) : (
        <PagedGrid
          label="Mails to the address"
          path="/api/v1/mails"
          query={{ address, tenant }}
          rowsOf={({ mails }: SentMailPage) => mails}
          columns={COLUMNS}
          rowId={({ transaction_id: id, line }) => `${id} ${line}`}
          rowName={({ campaign }) => campaign}
          onOpen={({ transaction_id: id }) => void navigate({ to: `/campaigns/${id}` as string })}
          empty={<Empty title="No campaign has this recipient." />}
        />
      )}
    </>
  );
}
