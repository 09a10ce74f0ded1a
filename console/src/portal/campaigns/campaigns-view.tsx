/** The campaigns of this tenant, newest first, and how far each is. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { get } from '../../api/client.ts';
import { perPage } from '../../api/query-client.ts';
import type { Campaign } from '../../parts/campaigns/campaign-progress.tsx';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { countText, Time } from '../../parts/time.tsx';
import { CampaignState } from './campaign-words.tsx';

const REFETCH_MS = 5_000;

export default function CampaignsView() {
  const pages = useInfiniteQuery({
    queryKey: ['campaigns'],
    initialPageParam: '',
    queryFn: ({ signal, pageParam }) =>
      get<{ campaigns: Campaign[]; next_cursor: string | null }>('/api/v1/campaigns', {
        query: { cursor: pageParam },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: perPage(REFETCH_MS),
  });
  return (
    <>
      <h1>Campaigns</h1>
      <Fetched query={pages}>
        {({ pages: found }) => {
          const campaigns = found.flatMap((page) => page.campaigns);
          if (campaigns.length === 0)
            return (
              <Empty title="You have no campaign yet.">
                <p>
                  A program makes one with your key: <code>POST /api/v1/campaigns</code>. It is shown here from then on.
                </p>
              </Empty>
            );
          return (
            <div className="sideways">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Campaign</th>
                    <th scope="col">State</th>
                    <th scope="col">Sent</th>
                    <th scope="col">Bounced</th>
                    <th scope="col">Complaints</th>
                    <th scope="col">Created</th>
                  </tr>
                </thead>
                <tbody>
                  {campaigns.map((campaign) => (
                    <Row key={campaign.transaction_id} campaign={campaign} />
                  ))}
                </tbody>
              </table>
            </div>
          );
        }}
      </Fetched>
      {pages.hasNextPage && (
        <button type="button" onClick={() => void pages.fetchNextPage()}>
          More
        </button>
      )}
    </>
  );
}

function Row({ campaign }: { readonly campaign: Campaign }) {
  const { transaction_id: id, name, messages, recipients, events, created_at: created } = campaign;
  return (
    <tr>
      <td>
        <Link href={`/campaigns/${id}`}>
          <PlainText>{name}</PlainText>
        </Link>
      </td>
      <td>
        <CampaignState campaign={campaign} />
      </td>
      <td>
        {countText(messages.sent)} of {countText(recipients.valid)}
      </td>
      <td>{countText((events.bounced_hard ?? 0) + (events.bounced_soft ?? 0))}</td>
      <td>{countText(events.complained ?? 0)}</td>
      <td>
        <Time at={created} />
      </td>
    </tr>
  );
}
