/**
 * Lines of a timeline as they are shown: equal neighbours are one, and idle time is its own line. A page is folded once, when it comes:
 * at 20,000 lines all of them for each page that comes would keep the browser busy.
 */
import type { TimelineLine } from '#shared/api/timeline.ts';
import { pagedRows, type Rows } from '../../parts/grid/paged-rows.ts';

export type TimelineEntry =
  | { readonly type: 'line'; readonly id: string; readonly line: TimelineLine; readonly count: number }
  | { readonly type: 'gap'; readonly id: string; readonly ms: number };

const GAP_MS = 30_000;
/** What a person did, and what failed, is never folded. */
const isAlone = (line: TimelineLine) => line.kind === 'person' || line.error !== null || line.reason !== null;

interface FoldedPage {
  readonly lines: readonly TimelineLine[];
  /** Those that no later line changes. */
  readonly closed: readonly TimelineEntry[];
  /** The last one: the first lines of the next page may be equal. */
  readonly open: TimelineEntry | undefined;
  readonly lastMs: number | undefined;
}

export type FoldLines = (pages: readonly (readonly TimelineLine[])[]) => Rows<TimelineEntry>;

/** What it is called with is remembered: from the first page on that is another one, pages are folded again. */
export function createLineFold(): FoldLines {
  let folded: readonly FoldedPage[] = [];
  return (pages) => {
    const changed = pages.findIndex((lines, index) => folded[index]?.lines !== lines);
    const next = folded.slice(0, changed === -1 ? pages.length : changed);
    for (const lines of pages.slice(next.length)) next.push(foldPage(lines, next.at(-1)));
    folded = next;
    const open = folded.at(-1)?.open;
    return pagedRows([...folded.map(({ closed }) => closed), open === undefined ? [] : [open]]);
  };
}

function foldPage(lines: readonly TimelineLine[], before: FoldedPage | undefined): FoldedPage {
  const closed: TimelineEntry[] = [];
  let { open, lastMs } = before ?? {};
  const add = (entry: TimelineEntry) => {
    if (open !== undefined) closed.push(open);
    open = entry;
  };
  for (const line of lines) {
    const atMs = Date.parse(line.at);
    const idleMs = lastMs === undefined ? 0 : atMs - lastMs;
    lastMs = Math.max(lastMs ?? 0, atMs, line.ended_at === null ? 0 : Date.parse(line.ended_at));
    if (idleMs > GAP_MS) add({ type: 'gap', id: `gap-${line.line_id}`, ms: idleMs });
    if (open?.type === 'line' && isSame(open.line, line)) open = { ...open, count: open.count + line.count };
    else add({ type: 'line', id: line.line_id, line, count: line.count });
  }
  return { lines, closed, open, lastMs };
}

function isSame(one: TimelineLine, other: TimelineLine): boolean {
  return (
    !isAlone(one) &&
    !isAlone(other) &&
    one.type === other.type &&
    one.job_id === other.job_id &&
    one.step === other.step &&
    one.outcome === other.outcome &&
    one.generation === other.generation
  );
}
