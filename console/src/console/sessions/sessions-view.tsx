/** SFTP sessions: who was connected, from where, and what they did; a row opens its actions. */
import { useQuery } from '@tanstack/react-query';
import prettyBytes from 'pretty-bytes';
import type { SftpSession } from '#services/control-api/sftp/find-sftp-sessions.ts';
import { get } from '../../api/client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import type { Column } from '../../parts/grid/grid.tsx';
import { PagedGrid } from '../../parts/grid/paged-grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';

interface SessionPage {
  readonly sessions: readonly SftpSession[];
  readonly next_cursor: string | null;
}
interface SessionDetail extends SftpSession {
  readonly actions: readonly {
    readonly event_id: string;
    readonly at: string;
    readonly action: string;
    readonly path: string;
    readonly new_path: string | null;
    readonly size_bytes: number | null;
    readonly duration_ms: number | null;
    readonly failure: string | null;
  }[];
  readonly next_cursor: string | null;
}

const REFETCH_MS = 10_000;
const MOST_ACTIONS = 200;
const FILTERS = [
  { name: 'tenant', label: 'tenant' },
  { name: 'username', label: 'user' },
  { name: 'client_ip', label: 'address', placeholder: '10.1.4.9' },
  { name: 'failed', label: 'with failures', options: ['true'] },
  { name: 'from', label: 'begun since', placeholder: '2026-01-31T08:00Z' },
  { name: 'to', label: 'begun before', placeholder: '2026-01-31T08:00Z' },
];
const OPTIONS: Readonly<Record<string, string>> = { username: 'user', client_ip: 'ip' };

const COLUMNS: readonly Column<SftpSession>[] = [
  {
    id: 'begun',
    title: 'Begun',
    width: '170px',
    cell: ({ first_at: at, tenant }) => <Time at={at} tenant={tenant} />,
  },
  {
    id: 'took',
    title: 'Took',
    width: '90px',
    cell: ({ first_at: from, last_at: to }) => durationText(Date.parse(to) - Date.parse(from)),
  },
  { id: 'tenant', title: 'Tenant', width: 'minmax(100px, 1fr)', cell: ({ tenant }) => tenant },
  { id: 'user', title: 'User', width: 'minmax(120px, 1fr)', cell: ({ username }) => <PlainText>{username}</PlainText> },
  { id: 'ip', title: 'Address', width: '140px', cell: ({ client_ip: ip }) => ip ?? 'unknown' },
  {
    id: 'up',
    title: 'Received',
    width: 'minmax(130px, 1fr)',
    cell: ({ uploads, uploaded_bytes: bytes }) => amount(uploads, bytes),
  },
  {
    id: 'down',
    title: 'Sent',
    width: 'minmax(130px, 1fr)',
    cell: ({ downloads, downloaded_bytes: bytes }) => amount(downloads, bytes),
  },
  { id: 'other', title: 'Other', width: '70px', isNumber: true, cell: ({ other_actions: count }) => countText(count) },
  {
    id: 'failures',
    title: 'Failed',
    width: '80px',
    isNumber: true,
    cell: ({ failures }) => (failures === 0 ? '' : `✕ ${countText(failures)}`),
  },
];

function amount(files: number, bytes: number): string {
  return files === 0 ? '' : `${countText(files)}, ${prettyBytes(bytes)}`;
}

export default function SessionsView() {
  const [search, change] = useUrlState();
  const filters = Object.fromEntries(FILTERS.map(({ name }) => [name, search[name]]));
  const hasFilters = Object.values(filters).some(Boolean);
  return (
    <>
      <div className="row">
        <h1>SFTP sessions</h1>
        <span className="grow" />
        <CopyCommand words={['sftp-sessions', ...optionsOf(filters)]} />
      </div>
      <FilterBar fields={FILTERS} values={filters} onChange={change} />
      <PagedGrid
        label="SFTP sessions"
        path="/api/v1/sftp-sessions"
        query={filters}
        rowsOf={({ sessions }: SessionPage) => sessions}
        columns={COLUMNS}
        rowId={({ session_id: id }) => id}
        rowName={({ username, first_at: at }) => `${username}, ${at}`}
        onOpen={({ session_id: id }) => change({ session: id })}
        againMs={REFETCH_MS}
        empty={
          hasFilters ? (
            <Empty title="No session matches." />
          ) : (
            <Empty title="Nobody has done anything over SFTP yet.">
              <p>A session appears with its first action. Connections that did nothing are in the logs only.</p>
            </Empty>
          )
        }
      />
      {search.session !== undefined && (
        <SessionDialog id={search.session} onClose={() => change({ session: undefined })} />
      )}
    </>
  );
}

function optionsOf(filters: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(filters).flatMap(([name, value]) =>
    !value ? [] : name === 'failed' ? ['--failed'] : [`--${OPTIONS[name] ?? name}`, value],
  );
}

function SessionDialog({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const session = useQuery({
    queryKey: ['sftp-session', id],
    queryFn: ({ signal }) =>
      get<SessionDetail>(`/api/v1/sftp-sessions/${encodeURIComponent(id)}`, { query: { limit: MOST_ACTIONS }, signal }),
  });
  return (
    <Dialog
      title="SFTP session"
      isWide
      onClose={onClose}
      actions={<CopyCommand words={['sftp-sessions', 'show', id]} />}
    >
      <Fetched query={session}>
        {({ username, tenant, client_ip: ip, server_id: server, actions, next_cursor: next }) => (
          <div className="stack">
            <p>
              <PlainText>{username}</PlainText> of {tenant}, from {ip ?? 'an unknown address'}
              {server !== null && `, at ${server}`}
            </p>
            <div className="sideways">
              <table>
                <thead>
                  <tr>
                    <th scope="col">At</th>
                    <th scope="col">Did</th>
                    <th scope="col">Path</th>
                    <th scope="col">Size</th>
                    <th scope="col">Took</th>
                    <th scope="col">Failed because</th>
                  </tr>
                </thead>
                <tbody>
                  {actions.map((action) => (
                    <tr key={action.event_id}>
                      <td>
                        <Time at={action.at} tenant={tenant} isExact />
                      </td>
                      <td>{action.action}</td>
                      <td>
                        <PlainText>{action.path}</PlainText>
                        {action.new_path !== null && (
                          <>
                            {' → '}
                            <PlainText>{action.new_path}</PlainText>
                          </>
                        )}
                      </td>
                      <td>{action.size_bytes === null ? '' : prettyBytes(action.size_bytes)}</td>
                      <td>{action.duration_ms === null ? '' : durationText(action.duration_ms)}</td>
                      <td>{action.failure !== null && <PlainText>{`✕ ${action.failure}`}</PlainText>}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            {next !== null && <p className="muted">The first {MOST_ACTIONS} actions are shown; the command has all.</p>}
          </div>
        )}
      </Fetched>
    </Dialog>
  );
}
