/** How long files took from their arrival to their end, from the two cumulative counts alone: the nth to arrive is the nth to end. */

export interface Ages {
  readonly p50Seconds: number;
  readonly p95Seconds: number;
  readonly maxSeconds: number;
  readonly files: number;
  /** Arrived in the window and never ended. */
  readonly openFiles: number;
}

export interface ArrivalWindow {
  readonly fromSecond: number;
  readonly toSecond: number;
}

/** Files that go one way through the fleet. */
export interface FlowOfFiles {
  readonly arrivals: Float64Array;
  readonly departures: Float64Array;
}

/** Of the files of all flows that arrived in one of `windows`. */
export function measureAges(flows: readonly FlowOfFiles[], windows: readonly ArrivalWindow[]): Ages {
  const byAge = new Float64Array(flows[0]?.arrivals.length ?? 0);
  const counts = flows.map((flow) => countByAge(flow, windows, byAge));
  const arrived = counts.reduce((sum, count) => sum + count.arrived, 0);
  const ended = counts.reduce((sum, count) => sum + count.ended, 0);
  const percentile = (share: number) => ageOfShare(byAge, ended * share);
  return {
    p50Seconds: percentile(0.5),
    p95Seconds: percentile(0.95),
    maxSeconds: byAge.findLastIndex((files) => files > 0.5),
    files: Math.round(arrived),
    openFiles: Math.max(0, Math.round(arrived - ended)),
  };
}

/** Adds one flow to the counts by age. */
function countByAge(
  { arrivals, departures }: FlowOfFiles,
  windows: readonly ArrivalWindow[],
  byAge: Float64Array,
): { arrived: number; ended: number } {
  let ended = 0;
  let arrived = 0;
  let endSecond = 0;
  let leftOfEnd = departures[0] ?? 0;

  for (let second = 0; second < arrivals.length; second += 1) {
    const isCounted = windows.some(({ fromSecond, toSecond }) => second >= fromSecond && second < toSecond);
    let left = arrivals[second] ?? 0;
    if (isCounted) arrived += left;
    while (left > 0 && endSecond < departures.length) {
      const now = Math.min(left, leftOfEnd);
      left -= now;
      leftOfEnd -= now;
      if (isCounted && now > 0) {
        byAge[endSecond - second] = (byAge[endSecond - second] ?? 0) + now;
        ended += now;
      }
      if (leftOfEnd <= 0) {
        endSecond += 1;
        leftOfEnd = departures[endSecond] ?? 0;
      }
    }
  }
  return { arrived, ended };
}

function ageOfShare(byAge: Float64Array, files: number): number {
  let seen = 0;
  return byAge.findIndex((ofAge) => {
    seen += ofAge;
    return seen >= files;
  });
}
