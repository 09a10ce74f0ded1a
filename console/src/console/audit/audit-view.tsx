/** Who did what, when and why: by filters in the address, with the chain verified and an export. */
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import type { AuditEvent, AuditReply } from '#services/control-api/audit/find-audit-events.ts';
import type { VerifiedChain } from '#services/control-api/audit/handle-audit.ts';
import { get } from '../../api/client.ts';
import { Empty, Failed, Loading } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { pagedRows } from '../../parts/grid/paged-rows.ts';
import { JsonView } from '../../parts/json-view.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { countText, Time } from '../../parts/time.tsx';
import { sayProblem } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';

const FILTERS = ['tenant', 'actor', 'type', 'file', 'from', 'to'] as const;

const COLUMNS: readonly Column<AuditEvent>[] = [
  { id: 'at', title: 'Time', width: '180px', cell: ({ at, tenant }) => <Time at={at} tenant={tenant} isExact /> },
  { id: 'type', title: 'What', width: 'minmax(140px, 1fr)', cell: ({ type }) => type },
  { id: 'actor', title: 'Who', width: 'minmax(160px, 1fr)', cell: ({ actor }) => <PlainText>{actor}</PlainText> },
  { id: 'tenant', title: 'Tenant', width: '140px', cell: ({ tenant }) => tenant },
  {
    id: 'why',
    title: 'Why',
    width: 'minmax(200px, 3fr)',
    cell: ({ detail }) => <PlainText>{String(detail.reason ?? detail.comment ?? detail.message ?? '')}</PlainText>,
  },
  {
    id: 'line',
    title: 'Line',
    width: '90px',
    isNumber: true,
    cell: ({ line }) => (line === null ? '–' : countText(line)),
  },
];

export default function AuditView() {
  const [search, change] = useUrlState();
  const filters = Object.fromEntries(FILTERS.map((name) => [name, search[name]]));
  const [shown, setShown] = useState<AuditEvent>();
  const pages = useInfiniteQuery({
    queryKey: ['audit', JSON.stringify(filters)],
    queryFn: ({ pageParam, signal }) =>
      get<AuditReply>('/api/v1/audit', { query: { ...filters, cursor: pageParam, limit: 100 }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  const rows = pagedRows(pages.data?.pages.map(({ events }) => events) ?? []);
  const set = FILTERS.flatMap((name) => (search[name] ? [[name, search[name]] as [string, string]] : []));
  return (
    <>
      <div className="row">
        <h1>Audit</h1>
        <span className="grow" />
        <a href={`/api/v1/audit/export?${new URLSearchParams(set)}`} download="audit.ndjson">
          Export
        </a>
        <CopyCommand words={['audit', ...set.flatMap(([name, value]) => [`--${name}`, value])]} />
      </div>
      <FilterBar fields={FILTERS.map((name) => ({ name, label: name }))} values={search} onChange={change} />
      <Chain tenant={search.tenant} />
      {pages.data === undefined ? (
        pages.error === null ? (
          <Loading />
        ) : (
          <Failed error={pages.error} onRetry={() => void pages.refetch()} />
        )
      ) : rows.length === 0 ? (
        <Empty title="No line of the audit matches." />
      ) : (
        <Grid
          label="Audit"
          columns={COLUMNS}
          rows={rows}
          rowId={({ event_id: id }) => id}
          onOpen={setShown}
          hasMore={pages.hasNextPage}
          onMore={() => void pages.fetchNextPage()}
          isFetching={pages.isFetching}
        />
      )}
      {shown !== undefined && (
        <Dialog title={shown.type} isWide onClose={() => setShown(undefined)}>
          <BeforeAfter detail={shown.detail} />
          <JsonView value={shown} />
        </Dialog>
      )}
    </>
  );
}

/** Of what changed a definition or somebody's rights. */
function BeforeAfter({ detail }: { readonly detail: AuditEvent['detail'] }) {
  if (detail.before === undefined && detail.after === undefined) return null;
  return (
    <>
      <h3>Before</h3>
      <JsonView value={detail.before ?? null} />
      <h3>After</h3>
      <JsonView value={detail.after ?? null} />
    </>
  );
}

/** The chain of one tenant, a page at a time until its end. */
function Chain({ tenant }: { readonly tenant: string | undefined }) {
  const verified = useMutation({ mutationFn: verifyChain, onError: sayProblem });
  if (tenant === undefined) return <p className="muted">Filter by a tenant to verify its chain.</p>;
  const { data } = verified;
  return (
    <p role="status">
      <button type="button" disabled={verified.isPending} onClick={() => verified.mutate(tenant)}>
        {verified.isPending ? 'Verifying…' : 'Verify the chain'}
      </button>{' '}
      {data !== undefined && data.faults.length === 0 && (
        <>
          ✓ {countText(data.lines)} lines, verified to line {data.head === null ? 0 : countText(data.head.line)}
        </>
      )}
      {data !== undefined && data.faults.length > 0 && (
        <>
          ✕ {countText(data.faults.length)} faults:{' '}
          {data.faults.map(({ fault, line }) => `${fault} at line ${line ?? '?'}`).join(', ')}
        </>
      )}
    </p>
  );
}

async function verifyChain(tenant: string): Promise<Pick<VerifiedChain, 'lines' | 'faults' | 'head'>> {
  let [lines, faults]: [number, VerifiedChain['faults']] = [0, []];
  for (let cursor: string | undefined; ; ) {
    const page: VerifiedChain = await get<VerifiedChain>('/api/v1/audit/verify', { query: { tenant, cursor } });
    lines += page.lines;
    faults = [...faults, ...page.faults];
    if (page.next_cursor === null) return { lines, faults, head: page.head };
    cursor = page.next_cursor;
  }
}
