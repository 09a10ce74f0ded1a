/** One dead letter: what it is, why no service could read it, and sending it again with a corrected body. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { DeadLetterDetail } from '#services/control-api/operations/find-dead-letters.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { VerbButtons } from '../../parts/action-sheet/verb-buttons.tsx';
import { Fetched } from '../../parts/conditions.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { JsonView } from '../../parts/json-view.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';

interface LetterDialogProps {
  readonly id: string;
  readonly onClose: () => void;
  readonly onChanged: () => void;
}

export function LetterDialog({ id, onClose, onChanged }: LetterDialogProps) {
  const letter = useQuery({
    queryKey: ['dead-letter', id],
    queryFn: ({ signal }) => get<DeadLetterDetail>(`/api/v1/dead-letters/${encodeURIComponent(id)}`, { signal }),
  });
  const [body, setBody] = useState<string>();
  const [isAsking, setIsAsking] = useState(false);
  const forbidden = useRefusal('letters:redrive');
  const isParked = letter.data?.state === 'PARKED';
  const isChanged = body !== undefined && body !== letter.data?.body;
  const refusal =
    forbidden ??
    (isParked ? undefined : 'Only parked letters are sent again.') ??
    (isChanged ? undefined : 'Correct the body first; without that, redrive it.');
  const ended = () => {
    onChanged();
    onClose();
  };
  if (isAsking && body !== undefined)
    return (
      <ReasonDialog
        title="Send it again with the corrected body"
        verb="Send"
        words={['redrive', '--id', id, '--body-file', 'FILE']}
        act={async (reason) => {
          await post(`/api/v1/dead-letters/${id}/redrive`, { body, reason });
          say('It was sent with the corrected body.');
          ended();
        }}
        onClose={() => setIsAsking(false)}
      >
        <p>It is refused if the services of its queue could not read it either.</p>
      </ReasonDialog>
    );
  return (
    <Dialog
      title="Dead letter"
      isWide
      onClose={onClose}
      actions={
        isParked && (
          <>
            <VerbButtons verbs={['redrive', 'discard']} scopeOf={() => ({ filter: { ids: [id] } })} onRun={ended} />
            <button
              type="button"
              className="primary"
              aria-disabled={refusal !== undefined}
              title={refusal}
              onClick={() => refusal === undefined && setIsAsking(true)}
            >
              Send corrected…
            </button>
          </>
        )
      }
    >
      <Fetched query={letter}>
        {(found) => (
          <div className="stack">
            <dl>
              <dt>State</dt>
              <dd>
                <StateBadge state={found.state} /> <Time at={found.updated_at} tenant={found.customer_id} />
              </dd>
              <dt>Queue</dt>
              <dd>{found.queue}</dd>
              <dt>Reason</dt>
              <dd>
                <PlainText>{found.reason}</PlainText>, received {found.receive_count} times
              </dd>
              {found.fault !== null && (
                <>
                  <dt>Cannot be read</dt>
                  <dd>
                    <PlainText>{found.fault}</PlainText>
                  </dd>
                </>
              )}
              {found.note !== null && (
                <>
                  <dt>Note</dt>
                  <dd>
                    <PlainText>{found.note}</PlainText>
                  </dd>
                </>
              )}
            </dl>
            <label className="stack">
              Body
              <textarea
                rows={Math.min(16, found.body.split('\n').length + 3)}
                spellCheck={false}
                readOnly={!isParked}
                value={body ?? found.body}
                onChange={(event) => setBody(event.target.value)}
              />
            </label>
            <details>
              <summary>Attributes and ids</summary>
              <JsonView value={{ ...found, body: undefined }} />
            </details>
          </div>
        )}
      </Fetched>
    </Dialog>
  );
}
