/** One campaign: how far it is while one looks, what came back, its first mails, and the results to take. */
import { useQuery } from '@tanstack/react-query';
import { useParams } from 'wouter';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { whileThere } from '../../api/query-client.ts';
import { supportedTenant } from '../../api/support-view.ts';
import { type Campaign, CampaignProgress } from '../../parts/campaigns/campaign-progress.tsx';
import { CampaignVerbs } from '../../parts/campaigns/campaign-verbs.tsx';
import { FirstMails } from '../../parts/campaigns/first-mails.tsx';
import { Fetched } from '../../parts/conditions.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { countText, Time } from '../../parts/time.tsx';
import { say, sayProblem } from '../../parts/toast.tsx';
import { CampaignState } from './campaign-words.tsx';

const REFETCH_MS = 2_000;
const REPORTED = [
  ['delivered', 'Delivered'],
  ['bounced_hard', 'Do not exist'],
  ['bounced_soft', 'Could not be delivered for now'],
  ['complained', 'Complained'],
  ['unsubscribed', 'Unsubscribed'],
  ['opened', 'Opened'],
  ['clicked', 'Clicked'],
] as const;

export default function CampaignView() {
  const { id } = useParams<{ id: string }>();
  const path = `/api/v1/campaigns/${id}`;
  const forbidden = useRefusal('campaigns:change');
  const refusal = supportedTenant === undefined ? forbidden : 'The support view is read-only.';
  const query = useQuery({
    queryKey: ['campaign', id],
    queryFn: ({ signal }) => get<Campaign>(`${path}/status`, { headers: { 'x-longshore-background': '1' }, signal }),
    refetchInterval: whileThere(REFETCH_MS),
  });
  return (
    <Fetched query={query} heading="Campaign">
      {(campaign) => (
        <>
          <h1>
            <PlainText>{campaign.name}</PlainText>
          </h1>
          <p>
            <strong>
              <CampaignState campaign={campaign} />
            </strong>{' '}
            · <Time at={campaign.created_at} />
          </p>
          {campaign.error !== null && (
            <p role="alert">
              <PlainText>{campaign.error.message ?? campaign.error.code}</PlainText> <code>{campaign.error.code}</code>
            </p>
          )}
          <CampaignProgress campaign={campaign} />
          <Numbers campaign={campaign} />
          <div className="row">
            {campaign.results !== null && supportedTenant === undefined && <Results results={campaign.results} />}
            <CampaignVerbs campaign={campaign} refusal={refusal} onDone={() => query.refetch()} />
          </div>
          {supportedTenant === undefined && <FirstMails path={path} />}
        </>
      )}
    </Fetched>
  );
}

function Numbers({ campaign: { messages, recipients, events } }: { readonly campaign: Campaign }) {
  const rows: readonly (readonly [string, number])[] = [
    ['Rows of the file', recipients.rows],
    ['Not an address', recipients.rejected],
    ['Named twice', recipients.duplicates],
    ['Not to be written to', recipients.suppressed],
    ['Sent', messages.sent],
    ['Not sent', messages.failed],
    ['Not known whether sent', messages.ambiguous],
    ...REPORTED.map(([kind, word]) => [word, events[kind] ?? 0] as const),
  ];
  return (
    <table>
      <caption>Recipients and mails</caption>
      <tbody>
        {rows.map(([word, count]) => (
          <tr key={word}>
            <th scope="row">{word}</th>
            <td className="number">{countText(count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A line for each row of the file. */
function Results({ results }: { readonly results: NonNullable<Campaign['results']> }) {
  const refusal = useRefusal('results:download');
  async function take(): Promise<void> {
    try {
      const { url } = await post<{ url: string }>('/api/v1/downloads', results);
      // The store answers with an attachment: the page stays.
      location.assign(url);
      say('The download begins.');
    } catch (error) {
      sayProblem(error);
    }
  }
  return (
    <button
      type="button"
      className="primary"
      disabled={refusal !== undefined}
      title={refusal}
      onClick={() => void take()}
    >
      Results of each recipient
    </button>
  );
}
