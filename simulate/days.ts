/**
 * What arrives on a day, second by second.
 *
 * 1. A day is a smooth curve of many small partners, and bursts: a partner's batch that is sent as fast as its line allows.
 * 2. The shares are of the whole day, so a factor makes everything larger and nothing longer.
 */
import type { SeededRandom } from './seeded-random.ts';

export const DAY_SECONDS = 86_400;
/** A Monday, by the clocks of the place whose hours these are. */
export const DAY_PLACE = { day: Date.UTC(2026, 2, 2), timeZone: 'America/New_York' };

export interface Burst {
  readonly name: string;
  readonly startSeconds: number;
  readonly lengthSeconds: number;
  /** Of the day's files. */
  readonly share: number;
}

export interface Day {
  readonly description: string;
  readonly bursts: readonly Burst[];
  /** How much more comes at two in the afternoon than at two at night; 1 is the same all day. */
  readonly peakToTrough: number;
}

export type DayName = 'steady' | 'bursty';

const at = (hours: number, minutes = 0) => (hours * 60 + minutes) * 60;

export const DAYS: Readonly<Record<DayName, Day>> = {
  steady: { description: 'the same all day', bursts: [], peakToTrough: 1 },
  bursty: {
    description: 'office hours, the banks at 06:00, the retail partners at 07:30, a batch at every full hour',
    peakToTrough: 6,
    bursts: [
      { name: 'banks', startSeconds: at(6), lengthSeconds: at(0, 5), share: 0.2 },
      { name: 'retail', startSeconds: at(7, 30), lengthSeconds: at(0, 15), share: 0.18 },
      ...Array.from({ length: 12 }, (_, hour) => ({
        name: `hourly ${hour + 9}:00`,
        startSeconds: at(hour + 9),
        lengthSeconds: 60,
        share: 0.005,
      })),
    ],
  },
};

/** Files that arrive in each second. */
export function arrivalsOf(day: Day, files: number, random: SeededRandom): Float64Array {
  const burstShare = day.bursts.reduce((sum, { share }) => sum + share, 0);
  const expected = smoothCurve(day.peakToTrough, files * (1 - burstShare));
  for (const { startSeconds, lengthSeconds, share } of day.bursts) {
    for (let second = startSeconds; second < startSeconds + lengthSeconds; second += 1) {
      expected[second] = (expected[second] ?? 0) + (files * share) / lengthSeconds;
    }
  }
  return expected.map((mean) => random.poisson(mean));
}

/** One wave a day, highest at 14:00. */
function smoothCurve(peakToTrough: number, files: number): Float64Array {
  const swing = (peakToTrough - 1) / (peakToTrough + 1);
  const mean = files / DAY_SECONDS;
  return Float64Array.from({ length: DAY_SECONDS }, (_, second) => {
    return mean * (1 + swing * Math.cos((2 * Math.PI * (second - at(14))) / DAY_SECONDS));
  });
}
