/** Servers of partners: whether connections to them succeed, how many are open, by which keys they are known, and a test. */
import { useInfiniteQuery } from '@tanstack/react-query';
import type { Remote } from '#services/control-api/pulls/handle-remotes.ts';
import type { RemoteDocument } from '#shared/definitions/remote-schema.ts';
import { get } from '../../api/client.ts';
import { perPage } from '../../api/query-client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { CertificateEnd } from './certificate-end.tsx';
import { RemoteDialog } from './remote-dialog.tsx';

interface RemotePage {
  readonly remotes: readonly Remote[];
  readonly next_cursor: string | null;
}

const REFETCH_MS = 5_000;
const PAGE = 200;

const COLUMNS: readonly Column<Remote>[] = [
  { id: 'state', title: 'State', width: '110px', cell: ({ state }) => <StateBadge state={state} /> },
  { id: 'tenant', title: 'Tenant', width: 'minmax(110px, 1fr)', cell: ({ customer_id: tenant }) => tenant },
  { id: 'remote', title: 'Remote', width: 'minmax(120px, 1fr)', cell: ({ name }) => name },
  {
    id: 'address',
    title: 'Address',
    width: 'minmax(200px, 2fr)',
    cell: (remote) => <PlainText>{addressOf(documentOf(remote))}</PlainText>,
  },
  { id: 'slots', title: 'Connections', width: '110px', isNumber: true, cell: slotsText },
  {
    id: 'certificate',
    title: 'Certificate ends',
    width: '190px',
    cell: (remote) => <CertificateEnd at={remote.certificate_ends_at} tenant={remote.customer_id} />,
  },
  {
    id: 'why',
    title: 'Last fault',
    width: 'minmax(200px, 2fr)',
    cell: ({ error_code: code, error_at: at, customer_id: tenant }) =>
      code === null ? (
        ''
      ) : (
        <>
          <code>{code}</code> <Time at={at} tenant={tenant} isRelative />
        </>
      ),
  },
];

export default function RemotesView() {
  const [search, change] = useUrlState();
  const { tenant, remote: openId } = search;
  const pages = useInfiniteQuery({
    queryKey: ['remotes', tenant],
    queryFn: ({ signal, pageParam }) =>
      get<RemotePage>('/api/v1/remotes', {
        query: { tenant, limit: PAGE, cursor: pageParam },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: perPage(REFETCH_MS),
  });
  return (
    <>
      <div className="row">
        <h1>Remotes</h1>
        <span className="grow" />
        <CopyCommand words={['remotes', ...(tenant ? ['--tenant', tenant] : [])]} />
      </div>
      <FilterBar fields={[{ name: 'tenant', label: 'tenant' }]} values={search} onChange={change} />
      <Fetched query={pages}>
        {({ pages: found }) => {
          const rows = found.flatMap(({ remotes }) => remotes);
          const shown = rows.find((each) => idOf(each) === openId);
          return (
            <>
              {rows.length === 0 ? (
                <Empty title="No remote.">
                  <p>
                    A remote is a server of a partner that files are fetched from or brought to. Apply one with{' '}
                    <code>longshore apply</code>.
                  </p>
                </Empty>
              ) : (
                <Grid
                  label="Remotes"
                  columns={COLUMNS}
                  rows={rows}
                  rowId={idOf}
                  onOpen={(each) => change({ remote: idOf(each) })}
                  hasMore={pages.hasNextPage}
                  onMore={() => void pages.fetchNextPage()}
                  isFetching={pages.isFetchingNextPage}
                />
              )}
              {shown !== undefined && (
                <RemoteDialog
                  remote={shown}
                  document={documentOf(shown)}
                  address={addressOf(documentOf(shown))}
                  slots={slotsText(shown)}
                  onClose={() => change({ remote: undefined })}
                />
              )}
            </>
          );
        }}
      </Fetched>
    </>
  );
}

function idOf({ customer_id: tenant, name }: Remote): string {
  return `${tenant}/${name}`;
}

/** As it was parsed when it was applied. */
function documentOf({ definition }: Remote): RemoteDocument {
  return definition as RemoteDocument;
}

function addressOf({ type, user, host, port }: RemoteDocument): string {
  return `${type}://${user}@${host}${port === undefined ? '' : `:${port}`}`;
}

function slotsText(remote: Remote): string {
  return `${remote.connections} of ${documentOf(remote).limits.connections}`;
}
