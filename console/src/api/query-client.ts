/** How pages fetch: what is shown stays while it is fetched again, and what may pass is asked again. */
import { QueryClient } from '@tanstack/react-query';
import { problemOf } from './problem.ts';

const FRESH_MS = 5_000;
const MOST_REPEATS = 2;

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: FRESH_MS,
        retry: (count, error) => problemOf(error).isPassing && count < MOST_REPEATS,
        retryDelay: (count) => 500 * 2 ** count + Math.random() * 500,
        // The browser's own guess of being offline is wrong for a server on the same machine.
        networkMode: 'always',
      },
      mutations: { retry: false, networkMode: 'always' },
    },
  });
}

/** For one resource: fetched again after `ms`, unless the API says that there is none. */
export function whileThere(ms: number) {
  return ({ state: { error } }: { readonly state: { readonly error: Error | null } }): number | false =>
    error !== null && problemOf(error).status === 404 ? false : ms;
}

/**
 * For a list of pages: all that are loaded are fetched again, one after the other, so the more there are the rarer it is. However far a
 * reader has scrolled, an open page asks once in `ms` at most.
 */
export function perPage(ms: number) {
  return ({
    state: { data },
  }: {
    readonly state: { readonly data?: { readonly pages: readonly unknown[] } | undefined };
  }) => ms * Math.max(1, data?.pages.length ?? 1);
}
