/**
 * Resident memory of each process over a soak, and whether it grows.
 *
 * A process that is killed begins again, so growth is the slope within lives: a regression over all samples in which each life has a level of
 * its own. What a life does in its first minutes is warm-up and does not count, nor does its first half: pools and heaps come to their level ever more
 * slowly, a leak continues as it began.
 */
import { readFile } from 'node:fs/promises';

export interface MemorySample {
  /** Since the soak began. */
  readonly atMs: number;
  readonly pid: number;
  readonly rssMb: number;
}

export interface MemoryTrend {
  readonly peakMb: number;
  /** The last sample. */
  readonly lastMb: number;
  /** Undefined while there is too little to judge. */
  readonly slopeMbPerHour?: number;
  /** The slope is above what is allowed, and by more than its uncertainty. */
  readonly isGrowing: boolean;
}

export const WARM_UP_MS = 300_000;
/** Of samples after warm-ups: shorter, and one collection of garbage decides. */
const LEAST_SPAN_MS = 600_000;
/** 24 hours of it are what a service's memory limit has to spare. */
export const MOST_MB_PER_HOUR = 30;
/** Two standard errors, for samples that follow each other closely: so one minute counts as one. */
const STANDARD_ERRORS = 2;
const MINUTE_MS = 60_000;

/** Undefined when the process has just ended, and on systems without `/proc`. */
export async function readRssMb(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : (Number(kilobytes) * 1_024) / 1e6;
}

export function judgeMemory(samples: readonly MemorySample[]): MemoryTrend {
  const levels = { peakMb: Math.max(0, ...samples.map(({ rssMb }) => rssMb)), lastMb: samples.at(-1)?.rssMb ?? 0 };
  const lives = [...Map.groupBy(samples, ({ pid }) => pid).values()].map(warmMinutes).filter((life) => life.length > 1);
  const spanMs = lives.reduce((sum, life) => sum + (life.at(-1)!.atMs - life[0]!.atMs), 0);
  if (spanMs < LEAST_SPAN_MS) return { ...levels, isGrowing: false };
  const { slope, standardError } = regress(lives);
  const slopeMbPerHour = slope * 60 * MINUTE_MS;
  const uncertainty = STANDARD_ERRORS * standardError * 60 * MINUTE_MS;
  return { ...levels, slopeMbPerHour, isGrowing: slopeMbPerHour - uncertainty > MOST_MB_PER_HOUR };
}

interface Point {
  readonly atMs: number;
  readonly rssMb: number;
}

/** One median for each minute after the warm-up, in the second half. */
function warmMinutes(life: readonly MemorySample[]): Point[] {
  const bornMs = life[0]!.atMs;
  const warmMs = Math.max(WARM_UP_MS, (life.at(-1)!.atMs - bornMs) / 2);
  const warm = life.filter(({ atMs }) => atMs - bornMs >= warmMs);
  return [...Map.groupBy(warm, ({ atMs }) => Math.floor(atMs / MINUTE_MS))].map(([minute, each]) => ({
    atMs: minute * MINUTE_MS,
    rssMb: each.map(({ rssMb }) => rssMb).sort((a, b) => a - b)[Math.floor(each.length / 2)]!,
  }));
}

function regress(lives: readonly Point[][]): { slope: number; standardError: number } {
  const centred = lives.flatMap((life) => {
    const middleMs = mean(life.map(({ atMs }) => atMs));
    const middleMb = mean(life.map(({ rssMb }) => rssMb));
    return life.map(({ atMs, rssMb }) => ({ x: atMs - middleMs, y: rssMb - middleMb }));
  });
  const sum = (of: (point: { x: number; y: number }) => number) =>
    centred.reduce((total, point) => total + of(point), 0);
  const spread = sum(({ x }) => x * x);
  const slope = sum(({ x, y }) => x * y) / spread;
  const freedom = Math.max(1, centred.length - lives.length - 1);
  return { slope, standardError: Math.sqrt(sum(({ x, y }) => (y - slope * x) ** 2) / freedom / spread) };
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
