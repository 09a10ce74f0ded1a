/** A campaign in words of the one who sends it. */
import type { Campaign } from '../../parts/campaigns/campaign-progress.tsx';
import { PlainText } from '../../parts/plain-text.tsx';

const WORDS: Readonly<Record<string, string>> = {
  AWAITING_FILE: '○ waits for its file of recipients',
  PREPARING: '● being prepared',
  HELD: '⏸ held',
  SCHEDULED: '○ scheduled',
  SENDING: '● being sent',
  PAUSED: '⏸ paused',
  WAITING: '⏸ waiting',
  SENT: '✓ sent, reports are coming in',
  DONE: '✓ done',
  FAILED: '✕ failed',
  CANCELLED: '✕ cancelled',
};
const WAITS: Readonly<Record<string, string>> = {
  WINDOW: 'for its hours',
  DAILY_QUOTA: 'for tomorrow’s quota of mails',
  SENDER_UNKNOWN: 'for its sender to be set up',
};

export function CampaignState({ campaign: { status, waiting_for: why } }: { readonly campaign: Campaign }) {
  return (
    <span>
      {WORDS[status] ?? status.toLowerCase()}
      {why !== null && (
        <>
          {' '}
          <PlainText>{WAITS[why] ?? why}</PlainText>
        </>
      )}
    </span>
  );
}
