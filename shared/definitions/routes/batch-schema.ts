/** `batch` of a route: which of its files are taken together, and when they begin. */
import { z } from 'zod';
import { durationSchema } from '#shared/definitions/duration.ts';
import { timeOfDaySchema } from '#shared/definitions/time-of-day.ts';
import { globsSchema } from './glob-schema.ts';

const HOUR_MS = 3_600_000;
const MONTH_MS = 31 * 24 * HOUR_MS;

export const batchSchema = z
  .strictObject({
    /** Closes with so many files. */
    count: z.int().min(1).max(10_000).optional(),
    /** Closes at this time of the day, by the clock of the tenant's time zone. */
    until: timeOfDaySchema.optional(),
    /** Closes when no file has come for so long. */
    idle: durationSchema({ minMs: 1_000, maxMs: MONTH_MS }).optional(),
    /** Globs of files that name the files of a batch: it closes when all of them are there. */
    manifest: globsSchema.refine((globs) => globs.length > 0, { error: 'needs at least one glob' }).optional(),
    /** Closes so long after its first file, whatever is there; an hour where only a manifest closes it. */
    within: durationSchema({ minMs: 1_000, maxMs: MONTH_MS }).optional(),
    /** Whose files are taken together. */
    by: z.enum(['route', 'directory']).default('route'),
    /** Files carried at once; all when absent. */
    maxConcurrency: z.int().min(1).max(1_000).optional(),
  })
  .refine(
    ({ count, until, idle, manifest, within }) =>
      [count, until, idle, manifest, within].some((condition) => condition !== undefined),
    { error: 'never closes: give count, until, idle, within or manifest' },
  );
export type BatchRule = z.output<typeof batchSchema>;

/** When a batch that is opened now closes at the latest; undefined: only by its files. `msUntil`: to the next time of that day. */
export function closingMs(
  { until, within, manifest, count, idle }: BatchRule,
  nowMs: number,
  msUntil: (timeOfDay: string) => number,
): number | undefined {
  const isByManifestAlone = manifest !== undefined && [until, within, count, idle].every((each) => each === undefined);
  const longestMs = within ?? (isByManifestAlone ? HOUR_MS : undefined);
  const ends = [
    ...(until === undefined ? [] : [nowMs + msUntil(until)]),
    ...(longestMs === undefined ? [] : [nowMs + longestMs]),
  ];
  return ends.length === 0 ? undefined : Math.min(...ends);
}
