/** Which pages of a timeline are not fetched again: a file of twenty thousand lines would be a hundred requests every few seconds. */
import type { TimelinePage } from '#shared/api/timeline.ts';

interface LoadedPages {
  readonly pages: readonly TimelinePage[];
  readonly pageParams: readonly unknown[];
}

/** New lines come at the end; some, such as attempts, are written when what they began at is some lines ago. */
const CHANGING_PAGES = 3;
const WITH_AN_END: readonly string[] = ['step', 'transfer'];

/** The page as it was fetched, when it is not one of the last and nothing on it is under way. */
export function settledPage(loaded: LoadedPages | undefined, cursor: string | undefined): TimelinePage | undefined {
  const index = loaded?.pageParams.indexOf(cursor) ?? -1;
  const page = loaded?.pages[index];
  if (loaded === undefined || page === undefined || index >= loaded.pages.length - CHANGING_PAGES) return undefined;
  const isUnderWay = page.lines.some(({ kind, ended_at: endedAt }) => endedAt === null && WITH_AN_END.includes(kind));
  return isUnderWay ? undefined : page;
}
