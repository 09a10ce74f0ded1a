/** Campaigns, newest first, and how far each is. */
import { useNavigate } from '@tanstack/react-router';
import type { Campaign } from '../../parts/campaigns/campaign-progress.tsx';
import { Empty } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import type { Column } from '../../parts/grid/grid.tsx';
import { PagedGrid } from '../../parts/grid/paged-grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';

interface CampaignPage {
  readonly campaigns: readonly Campaign[];
  readonly next_cursor: string | null;
}

const REFETCH_MS = 5_000;

const COLUMNS: readonly Column<Campaign>[] = [
  { id: 'tenant', title: 'Tenant', width: '130px', cell: ({ tenant }) => tenant },
  { id: 'name', title: 'Name', width: 'minmax(160px, 2fr)', cell: ({ name }) => <PlainText>{name}</PlainText> },
  { id: 'status', title: 'Status', width: '150px', cell: ({ status }) => <StateBadge state={status} /> },
  { id: 'waiting', title: 'Waits for', width: '150px', cell: ({ waiting_for: waits }) => waits },
  {
    id: 'sent',
    title: 'Sent',
    width: '140px',
    cell: ({ messages, recipients }) => `${messages.sent} of ${recipients.valid}`,
  },
  {
    id: 'bounced',
    title: 'Bounced',
    width: '90px',
    cell: ({ events }) => (events.bounced_hard ?? 0) + (events.bounced_soft ?? 0),
  },
  { id: 'complained', title: 'Complaints', width: '100px', cell: ({ events }) => events.complained ?? 0 },
  { id: 'created', title: 'Created', width: '160px', cell: (row) => <Time at={row.created_at} tenant={row.tenant} /> },
];

export default function CampaignsView() {
  const [search, change] = useUrlState();
  const navigate = useNavigate();
  const { tenant } = search;
  return (
    <>
      <div className="row">
        <h1>Campaigns</h1>
        <span className="grow" />
        <CopyCommand words={['campaigns']} />
      </div>
      <FilterBar fields={[{ name: 'tenant', label: 'tenant' }]} values={search} onChange={change} />
      <PagedGrid
        label="Campaigns"
        path="/api/v1/campaigns"
        query={{ tenant }}
        rowsOf={({ campaigns }: CampaignPage) => campaigns}
        columns={COLUMNS}
        rowId={({ transaction_id: id }) => id}
        rowName={({ name }) => name}
        onOpen={({ transaction_id: id }) => void navigate({ to: `/campaigns/${id}` as string })}
        againMs={REFETCH_MS}
        empty={<Empty title={tenant === undefined ? 'There is no campaign.' : 'This tenant has no campaign.'} />}
      />
    </>
  );
}
