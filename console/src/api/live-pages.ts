/**
 * A list of pages that is asked for again when something changes. All pages that are loaded are fetched, one after the other, so the further a
 * reader has scrolled, the longer the rests between; what changes in a rest is shown after it.
 */
import { useEffect, useRef } from 'react';
import { useLive } from './live.ts';

const REST_MS_PER_PAGE = 1_000;
const BUSY_MS = 250;

interface LivePages {
  readonly data: { readonly pages: readonly unknown[] } | undefined;
  readonly isFetching: boolean;
  readonly refetch: () => Promise<unknown>;
}

/** @param isStill rows stay where they are, as some are selected */
export function useLivePages(pages: LivePages, isStill: boolean): void {
  const latest = useRef({ pages, isStill });
  useEffect(() => {
    latest.current = { pages, isStill };
  });
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    },
    [],
  );

  function askIn(ms: number): void {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const { pages: now, isStill: mayNotMove } = latest.current;
      if (mayNotMove) return;
      if (now.isFetching) askIn(BUSY_MS);
      else void now.refetch();
    }, ms);
  }

  useLive(({ event }) => {
    if (event === 'ready' || event === 'progress' || isStill) return;
    askIn(REST_MS_PER_PAGE * ((pages.data?.pages.length ?? 1) - 1));
  });
}
