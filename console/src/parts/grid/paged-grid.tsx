/** A list of the API in a grid, page after page, and asked again while one looks. */
import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { get, type QueryValue } from '../../api/client.ts';
import { perPage } from '../../api/query-client.ts';
import { Fetched } from '../conditions.tsx';
import { type Column, Grid } from './grid.tsx';
import { pagedRows } from './paged-rows.ts';

interface PagedGridProps<Page, Row> {
  readonly label: string;
  readonly path: string;
  readonly query: Readonly<Record<string, QueryValue>>;
  readonly rowsOf: (page: Page) => readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly rowId: (row: Row) => string;
  readonly rowName?: (row: Row) => string;
  readonly onOpen?: (row: Row) => void;
  readonly empty: ReactNode;
  /** Not again on its own when absent. */
  readonly againMs?: number;
}

const PAGE = 100;

export function PagedGrid<Page extends { readonly next_cursor: string | null }, Row>({
  path,
  query,
  rowsOf,
  empty,
  againMs,
  ...grid
}: PagedGridProps<Page, Row>) {
  const pages = useInfiniteQuery({
    queryKey: [path, query],
    queryFn: ({ signal, pageParam }) =>
      get<Page>(path, {
        query: { ...query, limit: PAGE, cursor: pageParam },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    ...(againMs !== undefined && { refetchInterval: perPage(againMs) }),
  });
  return (
    <Fetched query={pages}>
      {({ pages: found }) => {
        const rows = pagedRows(found.map(rowsOf));
        if (rows.length === 0) return empty;
        return (
          <Grid
            {...grid}
            rows={rows}
            hasMore={pages.hasNextPage}
            onMore={() => void pages.fetchNextPage()}
            isFetching={pages.isFetchingNextPage}
          />
        );
      }}
    </Fetched>
  );
}
