/** Lines of a timeline as they are shown: equal neighbours are one, and idle time is its own line. */
import type { TimelineLine } from '#shared/api/timeline.ts';

export type TimelineEntry =
  | { readonly type: 'line'; readonly id: string; readonly line: TimelineLine; readonly count: number }
  | { readonly type: 'gap'; readonly id: string; readonly ms: number };

const GAP_MS = 30_000;
/** What a person did, and what failed, is never folded. */
const isAlone = (line: TimelineLine) => line.kind === 'person' || line.error !== null || line.reason !== null;

export function foldLines(lines: readonly TimelineLine[]): TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  let lastMs: number | undefined;
  for (const line of lines) {
    const atMs = Date.parse(line.at);
    const idleMs = lastMs === undefined ? 0 : atMs - lastMs;
    lastMs = Math.max(lastMs ?? 0, atMs, line.ended_at === null ? 0 : Date.parse(line.ended_at));
    if (idleMs > GAP_MS) entries.push({ type: 'gap', id: `gap-${line.line_id}`, ms: idleMs });
    const before = entries.at(-1);
    if (before?.type === 'line' && isSame(before.line, line))
      entries[entries.length - 1] = { ...before, count: before.count + line.count };
    else entries.push({ type: 'line', id: line.line_id, line, count: line.count });
  }
  return entries;
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
