/** Reads what the services say of themselves, and what Linux says of their processes. */
import { readdir, readFile } from 'node:fs/promises';
import { peakRssBytes } from '#testkit/checks/peak-rss.ts';

const DEADLINE_MS = 5_000;

/** Sum of all samples of `counter` over the metric pages; a page that does not have it counts 0. */
export async function sumCounter(pages: readonly string[], counter: string): Promise<number> {
  const texts = await Promise.all(pages.map(readPage));
  return texts.reduce((sum, text) => sum + sumSamples(text, counter), 0);
}

/** Undefined when the page has no such metric. */
export async function readGauge(page: string, gauge: string): Promise<number | undefined> {
  const line = (await readPage(page)).split('\n').find((each) => each.startsWith(`${gauge} `));
  return line === undefined ? undefined : sampleOf(line);
}

async function readPage(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
  return await response.text();
}

function sumSamples(page: string, counter: string): number {
  return page
    .split('\n')
    .filter((line) => line.startsWith(`${counter}{`) || line.startsWith(`${counter} `))
    .reduce((sum, line) => sum + sampleOf(line), 0);
}

/** Counts of a histogram up to each bound, by the value of one label. */
export type Histogram = ReadonlyMap<string, readonly { readonly bound: number; readonly count: number }[]>;

export async function readHistogram(
  page: string,
  { name, label }: { name: string; label: string },
): Promise<Histogram> {
  const buckets = new Map<string, { bound: number; count: number }[]>();
  for (const line of (await readPage(page)).split('\n')) {
    if (!line.startsWith(`${name}_bucket{`)) continue;
    const labels = Object.fromEntries([...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
    const of = buckets.get(labels[label] ?? '') ?? [];
    of.push({ bound: labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le), count: sampleOf(line) });
    buckets.set(labels[label] ?? '', of);
  }
  return buckets;
}

/** The bound that a share of what was observed in between stayed within; absent where nothing was. */
export function boundBetween(before: Histogram, after: Histogram, share: number): Record<string, number> {
  const bounds: Record<string, number> = {};
  for (const [name, buckets] of after) {
    const grown = buckets.map(({ bound, count }, index) => ({
      bound,
      count: count - (before.get(name)?.[index]?.count ?? 0),
    }));
    const all = grown.at(-1)?.count ?? 0;
    const found = grown.find(({ count }) => count >= all * share);
    if (all > 0 && found !== undefined) bounds[name] = found.bound;
  }
  return bounds;
}

function sampleOf(line: string): number {
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

/** The most resident memory a process ever had, in MB (10^6 bytes); from Linux's `/proc`. */
export async function peakRssMb(pid: number): Promise<number> {
  return Math.round((await peakRssBytes(pid)) / 1e6);
}

/** Ticks per second in which Linux counts processor time (`getconf CLK_TCK`; 100 on every platform that Node runs on). */
const TICKS_PER_SECOND = 100;

export interface ProcessorTimes {
  readonly usedMs: number;
  /** That it could have worked, had a processor been free. */
  readonly waitedMs: number;
}

/** Of all threads of a process, in which Linux counts both (`/proc/PID/schedstat`); undefined where it does not. */
export async function processorTimes(pid: number): Promise<ProcessorTimes | undefined> {
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    const lines = await Promise.all(threads.map((id) => readFile(`/proc/${pid}/task/${id}/schedstat`, 'utf8')));
    const sumOf = (field: number) => lines.reduce((sum, line) => sum + Number(line.trim().split(' ')[field]) / 1e6, 0);
    return { usedMs: sumOf(0), waitedMs: sumOf(1) };
  } catch {
    return undefined;
  }
}

interface ProcessStat {
  readonly parentPid: number;
  /** With that of children which ended. */
  readonly ticks: number;
}

/** Processor time that a process and those below it have used, in ms: PostgreSQL works in its children. */
export async function cpuMs(pid: number): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const stats = new Map<number, ProcessStat>();
  for (const each of pids) {
    const stat = await readStat(each);
    if (stat !== undefined) stats.set(each, stat);
  }
  const ticksOf = (parent: number): number =>
    [...stats].reduce(
      (sum, [child, { parentPid }]) => (parentPid === parent ? sum + ticksOf(child) : sum),
      stats.get(parent)?.ticks ?? 0,
    );
  return (ticksOf(pid) * 1_000) / TICKS_PER_SECOND;
}

/** Undefined for a process that ended meanwhile. */
async function readStat(pid: number): Promise<ProcessStat | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field, the program's name, may hold spaces; counted from behind it, field 2 is the parent, 12 to 15 are times.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parentPid: Number(fields[1]), ticks: fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) };
  } catch {
    return undefined;
  }
}
