/** The list of files: filters in the address, rows of any number, and verbs on those selected or on all that match. */

import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import prettyBytes from 'pretty-bytes';
import { useContext, useMemo, useState } from 'react';
import type { FileSummary } from '#services/control-api/files/file-summary.ts';
import type { FilePage } from '#services/control-api/files/find-files.ts';
import type { FileCount } from '#services/control-api/files/handle-files.ts';
import type { ActionVerb } from '#shared/db/schema.ts';
import { get } from '../../api/client.ts';
import { useErrorCodes } from '../../api/problems.ts';
import { type Scope, VerbButtons } from '../../parts/action-sheet/verb-buttons.tsx';
import { VERBS } from '../../parts/action-sheet/verbs.ts';
import { Empty, Failed, Loading } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { CsvButton } from '../../parts/csv/csv-button.tsx';
import { FaultText } from '../../parts/fault-text.tsx';
import { FilterBar, type FilterField } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { idsOf, pagedRows } from '../../parts/grid/paged-rows.ts';
import { Menu } from '../../parts/menu.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { usePreference } from '../../parts/preference.ts';
import { StateBadge } from '../../parts/state-badge.tsx';
import { countText, durationText, TenantZones, Time } from '../../parts/time.tsx';
import { UploadLinkButton } from '../../parts/upload-link-dialog.tsx';
import { type UrlState, useUrlState } from '../../parts/url-state.ts';
import { FILTERS, toCommand, toQuery, toScope } from './file-search.ts';
import styles from './files.module.css';
import { rememberList } from './last-list.ts';
import { useLiveRows } from './live-rows.ts';

const PAGE = 100;
const EXPORTED_PAGE = 200;
const MOST_IDS = 1_000;
const STATUSES = ['failed', 'quarantined', 'processing', 'queued', 'uploaded', 'completed', 'companion', 'elsewhere'];
const LIST_VERBS: readonly ActionVerb[] = ['retry', 'resend', 'reroute', 'cancel'];

const COLUMNS: readonly Column<FileSummary>[] = [
  { id: 'state', title: 'State', width: '132px', cell: (file) => <StateBadge state={file.status} /> },
  {
    id: 'name',
    title: 'Name',
    width: 'minmax(220px, 2fr)',
    cell: (file) => (
      <Link to={`/files/${file.file_id}` as string} tabIndex={-1} title={file.key}>
        <PlainText>{file.file_name}</PlainText>
      </Link>
    ),
  },
  { id: 'tenant', title: 'Tenant', width: 'minmax(90px, 140px)', cell: (file) => file.customer_id },
  { id: 'path', title: 'Path', width: 'minmax(160px, 2fr)', cell: (file) => <PlainText>{file.key}</PlainText> },
  { id: 'size', title: 'Size', width: '90px', isNumber: true, cell: (file) => prettyBytes(file.file_size) },
  {
    id: 'arrived',
    title: 'Arrived',
    width: '160px',
    cell: (file) => <Time at={file.registered_at} tenant={file.customer_id} />,
  },
  {
    id: 'took',
    title: 'Took',
    width: '92px',
    isNumber: true,
    cell: (file) =>
      file.finished_at === null
        ? '–'
        : durationText(Math.max(0, Date.parse(file.finished_at) - Date.parse(file.registered_at))),
  },
  {
    id: 'why',
    title: 'Why',
    width: 'minmax(220px, 3fr)',
    cell: ({ error }) => <FaultText fault={error} />,
  },
  {
    id: 'finished',
    title: 'Finished',
    width: '160px',
    cell: (file) => <Time at={file.finished_at} tenant={file.customer_id} />,
  },
  { id: 'id', title: 'Id', width: '290px', cell: (file) => <code>{file.file_id}</code> },
];
const USUAL_COLUMNS = 'state,name,tenant,size,arrived,took,why';

export default function FilesView() {
  const [search, change] = useUrlState();
  const navigate = useNavigate();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [isAll, setIsAll] = useState(false);
  const filters = Object.fromEntries(FILTERS.map((name) => [name, search[name]]));
  const filterKey = JSON.stringify([filters, search.order]);

  const pages = useInfiniteQuery({
    queryKey: ['files', filterKey],
    queryFn: ({ pageParam, signal }) =>
      get<FilePage>('/api/v1/files', {
        query: { ...toQuery(search, Date.now()), limit: PAGE, cursor: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  const count = useQuery({
    queryKey: ['files-count', filterKey],
    queryFn: ({ signal }) => {
      const { order: _, ...query } = toQuery(search, Date.now());
      return get<FileCount>('/api/v1/files/count', { query, signal });
    },
  });
  const rows = useMemo(() => pagedRows(pages.data?.pages.map(({ files }) => files) ?? []), [pages.data]);
  const shown = (search.columns ?? USUAL_COLUMNS).split(',');
  const columns = COLUMNS.filter(({ id }) => shown.includes(id));
  const searchedTo = pages.data?.pages.at(-1)?.searched_to;

  const live = useLiveRows(filterKey, rows, search.status);
  function showNew(): void {
    live.clear();
    void pages.refetch();
    void count.refetch();
  }

  function changeFilters(changes: UrlState): void {
    setSelected(new Set());
    setIsAll(false);
    change(changes);
  }

  function open(file: FileSummary): void {
    rememberList(idsOf(rows, ({ file_id: id }) => id));
    void navigate({ to: `/files/${file.file_id}` as string });
  }

  function scopeOf(verb: ActionVerb): Scope {
    if (isAll) return toScope(search, verb, Date.now());
    if (selected.size > MOST_IDS) return { refusal: `At most ${countText(MOST_IDS)} at a time, or all that match.` };
    const ids = [...selected];
    return { filter: VERBS[verb].subject === 'file' ? { ids } : { file_ids: ids } };
  }

  const total = count.data;
  const totalText = total === undefined ? '' : `${countText(total.count)}${total.is_capped ? '+' : ''}`;
  return (
    <>
      <div className="row">
        <h1>Files</h1>
        <span className="muted" aria-live="polite">
          {totalText}
        </span>
        <span className="grow" />
        <SavedViews search={search} onOpen={(saved) => void navigate({ to: '/files', search: saved } as never)} />
        <Menu
          label="Columns ▾"
          items={COLUMNS.map(({ id, title }) => ({
            label: title,
            isChecked: shown.includes(id),
            onSelect: () => {
              const next = COLUMNS.map((column) => column.id).filter((each) => (each === id) !== shown.includes(each));
              change({ columns: next.join(',') === USUAL_COLUMNS ? undefined : next.join(',') }, true);
            },
          }))}
        />
        <UploadLinkButton />
        <CsvButton<FileSummary>
          name="files"
          headings={[
            'file',
            'name',
            'tenant',
            'path',
            'size',
            'status',
            'arrived',
            'finished',
            'code',
            'cause',
            'message',
          ]}
          cellsOf={(file) => [
            file.file_id,
            file.file_name,
            file.customer_id,
            file.key,
            file.file_size,
            file.status,
            file.registered_at,
            file.finished_at,
            file.error?.code,
            file.error?.cause,
            file.error?.message,
          ]}
          readPage={async (cursor, signal) => {
            const query = { ...toQuery(search, Date.now()), limit: EXPORTED_PAGE, cursor };
            const { files, next_cursor: next } = await get<FilePage>('/api/v1/files', { query, signal });
            return { rows: files, next };
          }}
        />
        <CopyCommand words={toCommand(search)} />
      </div>
      <FilterBar fields={useFields()} values={filters} onChange={changeFilters} />
      {live.newCount > 0 && (
        <div>
          <button type="button" className="primary" data-new onClick={showNew}>
            ↑ {live.isMany ? 'Many' : countText(live.newCount)} new
          </button>
        </div>
      )}
      {pages.error !== null && pages.data !== undefined && (
        <Failed error={pages.error} onRetry={() => void pages.refetch()} />
      )}
      {pages.data === undefined ? (
        pages.error === null ? (
          <Loading what="Looking for files" />
        ) : (
          <Failed error={pages.error} onRetry={() => void pages.refetch()} />
        )
      ) : rows.length === 0 && !pages.hasNextPage ? (
        <NoFiles search={search} onChange={changeFilters} />
      ) : (
        <Grid
          label="Files"
          columns={columns}
          rows={rows}
          rowId={(file) => file.file_id}
          rowName={(file) => file.file_name}
          onOpen={open}
          tinted={live.tinted}
          selection={{
            ids: selected,
            onChange: (ids) => {
              setSelected(ids);
              setIsAll(false);
            },
          }}
          hasMore={pages.hasNextPage}
          onMore={() => void pages.fetchNextPage()}
          isFetching={pages.isFetching}
        />
      )}
      {searchedTo && (
        <p className="muted">
          Files before <Time at={searchedTo} /> were not looked at.{' '}
          {pages.hasNextPage && (
            <button type="button" onClick={() => void pages.fetchNextPage()}>
              Look further back
            </button>
          )}
        </p>
      )}
      {(selected.size > 0 || isAll) && (
        <section className={styles.selection} aria-label="Selection">
          <span>{isAll ? `All ${totalText} that match` : `${countText(selected.size)} selected`}</span>
          {!isAll && total !== undefined && total.count > selected.size && (
            <button type="button" className="plain" onClick={() => setIsAll(true)}>
              Select all {totalText} that match
            </button>
          )}
          <button
            type="button"
            className="plain"
            onClick={() => {
              setSelected(new Set());
              setIsAll(false);
            }}
          >
            Clear
          </button>
          <span className="grow" />
          <VerbButtons verbs={LIST_VERBS} scopeOf={scopeOf} onRun={() => setSelected(new Set())} />
        </section>
      )}
    </>
  );
}

interface RouteNames {
  readonly routes: readonly { readonly name: string }[];
}
interface PartnerNames {
  readonly partners: readonly { readonly name: string }[];
}

function useFields(): readonly FilterField[] {
  const zones = useContext(TenantZones);
  const codes = Object.keys(useErrorCodes()).sort();
  const useNames = <List,>(path: string, names: (list: List) => readonly string[]) =>
    useQuery({
      queryKey: ['names', path],
      queryFn: ({ signal }) => get<List>(path, { signal }),
      staleTime: 60_000,
      select: (list) => [...new Set(names(list))].sort(),
    }).data;
  const routes = useNames<RouteNames>('/api/v1/routes', (list) => list.routes.map(({ name }) => name));
  const partners = useNames<PartnerNames>('/api/v1/partners', (list) => list.partners.map(({ name }) => name));
  return [
    { name: 'status', label: 'status', options: [...STATUSES, 'failed,quarantined'] },
    { name: 'code', label: 'code', options: codes },
    { name: 'cause', label: 'cause', options: codes },
    { name: 'route', label: 'route', options: routes },
    { name: 'partner', label: 'partner', options: partners },
    { name: 'tenant', label: 'tenant', options: [...zones.keys()].sort() },
    { name: 'since', label: 'since', options: ['30m', '1h', '24h', '7d', '30d'], placeholder: '24h' },
    { name: 'name', label: 'name', placeholder: 'orders-*.csv' },
    { name: 'path', label: 'path begins with', placeholder: 'acme/inbound/' },
    { name: 'type', label: 'type', placeholder: 'csv' },
    { name: 'source', label: 'source', options: ['sftp', 's3', 'reconciliation'] },
    { name: 'min_size', label: 'bytes at least', placeholder: '1000000' },
    { name: 'checksum', label: 'checksum' },
    { name: 'from', label: 'from', placeholder: '2026-01-31T08:00:00Z' },
    { name: 'to', label: 'to', placeholder: '2026-01-31T09:00:00Z' },
    { name: 'finished_from', label: 'finished from', placeholder: '2026-01-31T08:00:00Z' },
  ];
}

/** Ways out: each filter that could be what hides the files. */
function NoFiles({ search, onChange }: { readonly search: UrlState; readonly onChange: (changes: UrlState) => void }) {
  const set = FILTERS.filter((name) => search[name]);
  if (set.length === 0)
    return (
      <Empty title="No file has arrived yet.">
        <p>Send one over SFTP or put one into the landing bucket: it will be here a moment later.</p>
      </Empty>
    );
  return (
    <Empty title="No file matches.">
      <div className="row">
        {set.map((name) => (
          <button key={name} type="button" onClick={() => onChange({ [name]: undefined })}>
            Remove {name}
          </button>
        ))}
        {search.since !== undefined && search.since !== '7d' && (
          <button type="button" onClick={() => onChange({ since: '7d' })}>
            Look back 7 days
          </button>
        )}
      </div>
    </Empty>
  );
}

function SavedViews({ search, onOpen }: { readonly search: UrlState; readonly onOpen: (search: UrlState) => void }) {
  const [text, save] = usePreference<string>('views.files', '{}');
  const saved = readViews(text);
  const names = Object.keys(saved).sort();
  const [name, setName] = useState<string>();
  return (
    <>
      {name !== undefined && (
        <form
          className="row"
          onSubmit={(event) => {
            event.preventDefault();
            if (name.trim() !== '') save(JSON.stringify({ ...saved, [name.trim()]: search }));
            setName(undefined);
          }}
        >
          <input
            aria-label="Name of this view"
            placeholder="Name of this view"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit">Save</button>
        </form>
      )}
      <Menu
        label="Saved views ▾"
        items={[
          ...names.map((each) => ({ label: each, onSelect: () => onOpen(saved[each] ?? {}) })),
          { label: 'Save this view…', onSelect: () => setName('') },
          ...names.map((each) => ({
            label: `Remove ${each}`,
            onSelect: () => {
              const { [each]: _, ...others } = saved;
              save(JSON.stringify(others));
            },
          })),
        ]}
      />
    </>
  );
}

function readViews(text: string): Record<string, UrlState> {
  try {
    return JSON.parse(text) as Record<string, UrlState>;
  } catch {
    return {};
  }
}
