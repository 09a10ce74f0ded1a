/** Legal holds: what is kept whatever its retention says; placed and released with a reason. */
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Hold } from '#services/control-api/retention/find-retention.ts';
import { post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { Empty } from '../../parts/conditions.tsx';
import { FormDialog } from '../../parts/form-dialog.tsx';
import type { Column } from '../../parts/grid/grid.tsx';
import { PagedGrid } from '../../parts/grid/paged-grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { Time } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';
import type { UrlState } from '../../parts/url-state.ts';

interface HoldPage {
  readonly holds: readonly Hold[];
  readonly next_cursor: string | null;
}

interface HoldListProps {
  readonly tenant: string | undefined;
  readonly showsAll: boolean;
  readonly onChange: (changes: UrlState) => void;
}

const PATH = '/api/v1/legal-holds';

export function HoldList({ tenant, showsAll, onChange }: HoldListProps) {
  const refusal = useRefusal('holds:change');
  const queries = useQueryClient();
  const [isPlacing, setIsPlacing] = useState(false);
  const [released, setReleased] = useState<Hold>();
  const fetchAgain = () => queries.invalidateQueries({ queryKey: [PATH] });
  const columns: readonly Column<Hold>[] = [
    {
      id: 'placed',
      title: 'Placed',
      width: '170px',
      cell: ({ placed_at: at, customer_id: owner }) => <Time at={at} tenant={owner} />,
    },
    { id: 'by', title: 'By', width: 'minmax(120px, 1fr)', cell: ({ placed_by: by }) => <PlainText>{by}</PlainText> },
    { id: 'what', title: 'Keeps', width: 'minmax(180px, 2fr)', cell: (hold) => <Kept hold={hold} /> },
    {
      id: 'reason',
      title: 'Reason',
      width: 'minmax(180px, 3fr)',
      cell: ({ reason }) => <PlainText>{reason}</PlainText>,
    },
    {
      id: 'state',
      title: 'Released',
      width: 'minmax(150px, 1fr)',
      cell: (hold) =>
        hold.released_at === null ? (
          <button
            type="button"
            disabled={refusal !== undefined}
            title={refusal}
            aria-label={`Release… the hold of ${hold.customer_id} from ${hold.placed_at}`}
            onClick={() => setReleased(hold)}
          >
            Release…
          </button>
        ) : (
          <span title={hold.release_reason ?? undefined}>
            <Time at={hold.released_at} tenant={hold.customer_id} /> <PlainText>{hold.released_by}</PlainText>
          </span>
        ),
    },
  ];
  return (
    <div className="stack">
      <div className="row">
        <button type="button" disabled={refusal !== undefined} title={refusal} onClick={() => setIsPlacing(true)}>
          Place a hold…
        </button>
        <label>
          <input
            type="checkbox"
            checked={showsAll}
            onChange={({ target }) => onChange({ all: target.checked ? 'true' : undefined })}
          />{' '}
          released ones, too
        </label>
      </div>
      <PagedGrid
        label="Legal holds"
        path={PATH}
        query={{ tenant, all: showsAll ? 'true' : undefined }}
        rowsOf={({ holds }: HoldPage) => holds}
        columns={columns}
        rowId={({ hold_id: id }) => id}
        rowName={({ customer_id: owner, placed_at: at }) => `${owner}, ${at}`}
        empty={
          <Empty title="No legal hold is in force.">
            <p>A hold keeps everything of a tenant, of one route, or one file, until it is released.</p>
          </Empty>
        }
      />
      {isPlacing && (
        <PlaceDialog
          tenant={tenant}
          onClose={() => setIsPlacing(false)}
          onDone={async () => {
            await fetchAgain();
            setIsPlacing(false);
          }}
        />
      )}
      {released !== undefined && (
        <ReasonDialog
          title="Release a legal hold"
          verb="Release"
          words={['legal-hold', 'remove', released.hold_id]}
          act={async (reason) => {
            await post(`${PATH}/${released.hold_id}/release`, { reason });
            say('The hold is released.');
            await fetchAgain();
          }}
          onClose={() => setReleased(undefined)}
        >
          <p>
            What it keeps, <Kept hold={released} />, is deleted when its retention has passed, which may be at once.
          </p>
        </ReasonDialog>
      )}
    </div>
  );
}

function Kept({ hold: { customer_id: tenant, route, file_id: file } }: { readonly hold: Hold }) {
  if (file !== null) return <Link to={`/files/${file}` as string}>the file {file}</Link>;
  return <>{route === null ? `everything of ${tenant}` : `${tenant}/${route}`}</>;
}

interface PlaceDialogProps {
  readonly tenant: string | undefined;
  readonly onClose: () => void;
  readonly onDone: () => Promise<void>;
}

function PlaceDialog({ tenant: initial = '', onClose, onDone }: PlaceDialogProps) {
  const [fields, setFields] = useState({ tenant: initial, route: '', file: '', reason: '' });
  const { tenant, route, file, reason } = fields;
  const scope = file === '' ? { tenant, ...(route !== '' && { route }) } : { file_id: file };
  const options = Object.entries({ tenant: file === '' ? tenant : '', route: file === '' ? route : '', file, reason });
  const field = (name: keyof typeof fields, label: string, isDisabled = false) => (
    <label>
      {label}{' '}
      <input
        value={fields[name]}
        maxLength={500}
        disabled={isDisabled}
        onChange={({ target }) => setFields({ ...fields, [name]: target.value })}
      />
    </label>
  );
  return (
    <FormDialog
      title="Place a legal hold"
      verb="Place"
      words={['legal-hold', 'add', ...options.flatMap(([name, value]) => (value === '' ? [] : [`--${name}`, value]))]}
      isReady={reason.trim() !== '' && (tenant !== '' || file !== '')}
      act={async () => {
        await post(PATH, { ...scope, reason: reason.trim() });
        say('The hold is in force.');
        await onDone();
      }}
      onClose={onClose}
    >
      <p>It keeps everything of a tenant, of one of its routes, or one file.</p>
      {field('tenant', 'Tenant', file !== '')}
      {field('route', 'Route, or empty for all', file !== '')}
      {field('file', 'Or the id of a file')}
      {field('reason', 'Reason')}
    </FormDialog>
  );
}
