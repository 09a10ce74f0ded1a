/** How many calls took how long, in steps, so that counts of several processes can be added. Stored by place: steps are only ever appended. */

/** What took longer than the last is counted behind it. */
const STEPS_MS = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700].concat([
  1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 50_000, 70_000, 100_000,
]);

export const DURATION_PLACES = STEPS_MS.length + 1;

export function durationPlace(ms: number): number {
  const place = STEPS_MS.findIndex((step) => ms <= step);
  return place === -1 ? STEPS_MS.length : place;
}

/** Within its step as if calls were spread evenly there; null without calls. */
export function durationAt(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const wanted = share * total;
  let before = 0;
  for (const [place, count] of counts.entries()) {
    if (count > 0 && before + count >= wanted) {
      const from = STEPS_MS[place - 1] ?? 0;
      const to = STEPS_MS[place] ?? from;
      return Math.round(from + ((to - from) * (wanted - before)) / count);
    }
    before += count;
  }
  return STEPS_MS.at(-1) ?? null;
}
