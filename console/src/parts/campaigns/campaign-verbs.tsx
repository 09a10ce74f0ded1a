/** What may be done with a campaign in its state: pause, resume, cancel, each with a reason. */
import { useState } from 'react';
import { post } from '../../api/client.ts';
import { ReasonDialog } from '../reason-dialog.tsx';
import type { Campaign } from './campaign-progress.tsx';

const OPEN = ['SENDING', 'WAITING', 'SCHEDULED', 'PREPARING', 'AWAITING_FILE'];
const VERBS: readonly { readonly verb: string; readonly label: string; readonly from: readonly string[] }[] = [
  { verb: 'pause', label: 'Pause', from: OPEN },
  { verb: 'resume', label: 'Resume', from: ['PAUSED', 'HELD'] },
  { verb: 'cancel', label: 'Cancel', from: [...OPEN, 'PAUSED', 'HELD'] },
];

interface CampaignVerbsProps {
  readonly campaign: Campaign;
  /** Why none of them can be used. */
  readonly refusal: string | undefined;
  readonly onDone: () => Promise<unknown>;
}

export function CampaignVerbs({ campaign, refusal, onDone }: CampaignVerbsProps) {
  const { transaction_id: id, status, name } = campaign;
  const [asked, setAsked] = useState<(typeof VERBS)[number]>();
  return (
    <>
      {VERBS.filter(({ from }) => from.includes(status)).map((each) => (
        <button
          key={each.verb}
          type="button"
          disabled={refusal !== undefined}
          title={refusal}
          onClick={() => setAsked(each)}
        >
          {each.label}…
        </button>
      ))}
      {asked !== undefined && (
        <ReasonDialog
          title={name}
          verb={asked.label}
          words={['campaigns', asked.verb, id]}
          act={async (reason) => {
            await post(`/api/v1/campaigns/${id}/${asked.verb}`, { reason });
            await onDone();
          }}
          onClose={() => setAsked(undefined)}
        />
      )}
    </>
  );
}
