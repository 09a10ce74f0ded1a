/**
 * Which rows of a list are in sight, by its scroll position alone. All rows are equally high, so no position is kept: `useVirtualizer` writes
 * 16 bytes a row each time that a page comes, 400 MB on the way to the last of 100,000 rows.
 */
import { type RefObject, useEffect, useState } from 'react';
import { flushSync } from 'react-dom';

export interface RowsInSight {
  readonly first: number;
  readonly last: number;
}

interface ListOfRows {
  readonly scroller: RefObject<HTMLElement | null>;
  readonly rowPx: number;
  /** Above the first row; stays in sight while the rows are scrolled. */
  readonly headPx: number;
  readonly enabled: boolean;
}

export function useRowsInSight({ scroller, rowPx, headPx, enabled }: ListOfRows): RowsInSight {
  const [inSight, setInSight] = useState<RowsInSight>({ first: 0, last: 0 });
  useEffect(() => {
    const element = scroller.current;
    if (element === null || !enabled) return;
    const look = () => {
      const seen = rowsInSight({ ...sightOf(element), rowPx, headPx });
      setInSight((before) => (before.first === seen.first && before.last === seen.last ? before : seen));
    };
    look();
    // At once: a frame later the part that came into sight would have been empty.
    const onScroll = () => flushSync(look);
    element.addEventListener('scroll', onScroll, { passive: true });
    const resized = new ResizeObserver(look);
    resized.observe(element);
    return () => {
      element.removeEventListener('scroll', onScroll);
      resized.disconnect();
    };
  }, [scroller, rowPx, headPx, enabled]);
  return inSight;
}

export function sightOf({ scrollTop, clientHeight }: HTMLElement): { top: number; height: number } {
  return { top: scrollTop, height: clientHeight };
}

interface Sight {
  readonly top: number;
  readonly height: number;
  readonly rowPx: number;
  readonly headPx: number;
}

export function rowsInSight({ top, height, rowPx, headPx }: Sight): RowsInSight {
  const first = Math.max(0, Math.floor(top / rowPx));
  return { first, last: Math.max(first, Math.ceil((top + height - headPx) / rowPx) - 1) };
}

/** Where to scroll so that the whole of row `index` is in sight below the head; the place itself when it is. */
export function scrollTopFor(index: number, { top, height, rowPx, headPx }: Sight): number {
  const start = index * rowPx;
  if (start < top) return start;
  return Math.max(top, start + rowPx - (height - headPx));
}
