/** One time at which files are expected: what came, and a person's decision about it. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Occurrence } from '#services/control-api/expectations/find-occurrences.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { Fetched } from '../../parts/conditions.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import styles from './expected.module.css';
import { oddityText, wordOf } from './occurrence-words.ts';

interface OccurrenceDialogProps {
  readonly id: string;
  readonly onClose: () => void;
  readonly onChanged: () => void;
}

export function OccurrenceDialog({ id, onClose, onChanged }: OccurrenceDialogProps) {
  const [doing, setDoing] = useState<'excuse' | 'link'>();
  const [fileId, setFileId] = useState('');
  const path = `/api/v1/occurrences/${encodeURIComponent(id)}`;
  const found = useQuery({ queryKey: ['occurrence', id], queryFn: ({ signal }) => get<Occurrence>(path, { signal }) });
  const refusal = useRefusal('jobs:review');
  const back = () => setDoing(undefined);

  async function say(what: string, body: object): Promise<void> {
    await post(`${path}/${what}`, body);
    await found.refetch();
    onChanged();
  }

  if (doing === 'excuse')
    return (
      <ReasonDialog
        title="They will not come this time"
        verb="Excuse"
        words={['occurrences', 'excuse', id]}
        act={(reason) => say('excuse', { reason })}
        onClose={back}
      >
        <p>No notice says any more that the files are late. The next time they are expected again.</p>
      </ReasonDialog>
    );
  if (doing === 'link')
    return (
      <ReasonDialog
        title="Link a file that came"
        verb="Link"
        words={['occurrences', 'link', id, fileId.trim() || 'FILE']}
        act={(reason) => say('link', { file_id: fileId.trim(), reason })}
        onClose={back}
      >
        <label>
          Id of the file{' '}
          <input value={fileId} maxLength={36} required onChange={(event) => setFileId(event.target.value)} />
        </label>
      </ReasonDialog>
    );
  const isOver = ['MET', 'MET_LATE', 'EXCUSED'].includes(found.data?.state ?? '');
  const noExcuse = refusal ?? (isOver ? 'There is nothing to excuse.' : undefined);
  const noLink = refusal ?? (found.data?.state === 'PENDING' ? 'Files do not count yet.' : undefined);
  return (
    <Dialog
      title={found.data === undefined ? 'Expected' : `${found.data.expectation} of ${found.data.customer_id}`}
      isWide
      onClose={onClose}
      actions={
        <>
          <button type="button" disabled={noExcuse !== undefined} title={noExcuse} onClick={() => setDoing('excuse')}>
            Excuse…
          </button>
          <button type="button" disabled={noLink !== undefined} title={noLink} onClick={() => setDoing('link')}>
            Link a file…
          </button>
        </>
      }
    >
      <Fetched query={found}>{(occurrence) => <Facts occurrence={occurrence} />}</Fetched>
    </Dialog>
  );
}

function Facts({ occurrence }: { readonly occurrence: Occurrence }) {
  const { customer_id: tenant, files, file_count: count, needed, oddities, note, noted_by: by } = occurrence;
  return (
    <dl>
      <dt>State</dt>
      <dd>
        <StateBadge state={wordOf(occurrence)} />
      </dd>
      {(
        [
          ['Files count from', occurrence.opens_at],
          ['Due', occurrence.due_at],
          ['Files count until', occurrence.closes_at],
          ['Met', occurrence.met_at],
        ] as const
      ).map(([title, at]) => [
        <dt key={title}>{title}</dt>,
        <dd key={`${title} at`}>
          <Time at={at} tenant={tenant} />
        </dd>,
      ])}
      <dt>Came</dt>
      <dd>
        {count} of {needed}
        {files.length > 0 && (
          <ul className={styles.files}>
            {files.map((id) => (
              <li key={id}>
                <Link to={`/files/${id}` as string}>{id}</Link>
              </li>
            ))}
          </ul>
        )}
        {count > files.length && <p>The first {files.length} are shown.</p>}
      </dd>
      <dt>Odd</dt>
      <dd>{oddities.map(oddityText).join(', ') || '–'}</dd>
      {note !== null && (
        <>
          <dt>Note</dt>
          <dd>
            <PlainText>{note}</PlainText> (<PlainText>{by ?? ''}</PlainText>)
          </dd>
        </>
      )}
    </dl>
  );
}
