/** Sources: what they look for, when they listed last and will next, and a listing at once. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Source } from '#services/control-api/pulls/handle-remotes.ts';
import type { SourceDocument } from '#shared/definitions/source-schema.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { perPage } from '../../api/query-client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { pagedRows } from '../../parts/grid/paged-rows.ts';
import { PlainText } from '../../parts/plain-text.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';
import { say, sayProblem } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';

interface SourcePage {
  readonly sources: readonly Source[];
  readonly next_cursor: string | null;
}

const REFETCH_MS = 5_000;
const PAGE = 200;

export function SourceList() {
  const [search, change] = useUrlState();
  const { tenant } = search;
  const refusal = useRefusal('pulls:change');
  const pages = useInfiniteQuery({
    queryKey: ['sources', tenant],
    queryFn: ({ signal, pageParam }) =>
      get<SourcePage>('/api/v1/sources', {
        query: { tenant, limit: PAGE, cursor: pageParam },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: perPage(REFETCH_MS),
  });

  async function list({ customer_id: owner, name }: Source): Promise<void> {
    try {
      await post(`/api/v1/sources/${encodeURIComponent(owner)}/${encodeURIComponent(name)}/list`);
      say(`${name} is listed now.`);
      void pages.refetch();
    } catch (error) {
      sayProblem(error);
    }
  }

  const columns: readonly Column<Source>[] = [
    { id: 'tenant', title: 'Tenant', width: 'minmax(100px, 1fr)', cell: ({ customer_id: owner }) => owner },
    {
      id: 'source',
      title: 'Source',
      width: 'minmax(120px, 1fr)',
      cell: ({ customer_id: owner, name }) => (
        <Link to={`/pulls?${new URLSearchParams({ tenant: owner, source: name })}` as string} title="What it fetched">
          {name}
        </Link>
      ),
    },
    {
      id: 'where',
      title: 'Looks for',
      width: 'minmax(220px, 3fr)',
      cell: (source) => {
        const { remote, directory, match } = documentOf(source);
        return <PlainText>{`${remote}:${directory} ${match.join(', ')}`}</PlainText>;
      },
    },
    { id: 'when', title: 'When', width: 'minmax(120px, 1fr)', cell: (source) => whenText(documentOf(source).when) },
    {
      id: 'listed',
      title: 'Listed',
      width: '130px',
      cell: ({ listed_at: at, customer_id: owner }) => <Time at={at} tenant={owner} isRelative />,
    },
    {
      id: 'files',
      title: 'Files',
      width: '70px',
      isNumber: true,
      cell: ({ listed_files: count }) => (count === null ? '–' : countText(count)),
    },
    {
      id: 'next',
      title: 'Next',
      width: '160px',
      cell: ({ next_listing_at: at, customer_id: owner }) =>
        at === null ? 'on request' : <Time at={at} tenant={owner} />,
    },
    {
      id: 'why',
      title: 'Last fault',
      width: 'minmax(160px, 2fr)',
      cell: ({ error_code: code, error_message: message }) =>
        code === null ? (
          ''
        ) : (
          <span title={message ?? undefined}>
            <code>{code}</code> <PlainText>{message}</PlainText>
          </span>
        ),
    },
    {
      id: 'do',
      title: 'List',
      width: '100px',
      cell: (source) => (
        <button
          type="button"
          disabled={refusal !== undefined}
          title={refusal}
          aria-label={`List ${source.name} now`}
          onClick={() => void list(source)}
        >
          List now
        </button>
      ),
    },
  ];
  return (
    <div className="stack">
      <FilterBar fields={[{ name: 'tenant', label: 'tenant' }]} values={search} onChange={change} />
      <Fetched query={pages}>
        {({ pages: found }) => {
          const rows = pagedRows(found.map(({ sources }) => sources));
          if (rows.length === 0)
            return (
              <Empty title="No source.">
                <p>
                  A source says what is fetched from a remote, and when. Apply one with <code>longshore apply</code>.
                </p>
              </Empty>
            );
          return (
            <Grid
              label="Sources"
              columns={columns}
              rows={rows}
              rowId={({ customer_id: owner, name }) => `${owner}/${name}`}
              hasMore={pages.hasNextPage}
              onMore={() => void pages.fetchNextPage()}
              isFetching={pages.isFetchingNextPage}
            />
          );
        }}
      </Fetched>
    </div>
  );
}

/** As it was parsed when it was applied. */
function documentOf({ definition }: Source): SourceDocument {
  return definition as SourceDocument;
}

function whenText(when: SourceDocument['when']): string {
  if (when === 'on-request') return 'on request';
  return 'every' in when ? `every ${durationText(when.every)}` : when.cron;
}
