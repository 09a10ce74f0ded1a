/** How far a campaign is. */
import type { z } from 'zod';
import type { campaignSchema } from '#services/control-api/campaigns/describe-campaign.ts';
import { countText, Time } from '../time.tsx';

export type Campaign = z.output<typeof campaignSchema>;

export function CampaignProgress({ campaign }: { readonly campaign: Campaign }) {
  const { messages, recipients, expected_end_at: until, tenant } = campaign;
  const ended = messages.sent + messages.failed + messages.ambiguous + recipients.suppressed;
  return (
    <p>
      <progress value={ended} max={Math.max(1, recipients.valid)} aria-label="Mails that have ended" />{' '}
      {countText(ended)} of {countText(recipients.valid)}
      {until !== null && (
        <span className="muted">
          , until about <Time at={until} tenant={tenant} />
        </span>
      )}
    </p>
  );
}
