/**
 * What a YAML document of an expectation may say: which files are to come, when and how many, and whom to tell if they do not.
 *
 * 1. Unknown keys are faults: a misspelt option must not be passed over in silence.
 * 2. Parsing a parsed definition changes nothing.
 */
import { z } from 'zod';
import { cronSchema } from '#shared/definitions/cron.ts';
import { durationSchema } from '#shared/definitions/duration.ts';
import { idSchema, timeZoneSchema } from '#shared/definitions/name-schemas.ts';
import { notifySchema } from '#shared/definitions/notify-schema.ts';
import { globsSchema } from '#shared/definitions/routes/glob-schema.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import { timeOfDaySchema } from '#shared/definitions/time-of-day.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Files of one occurrence that are counted; beyond them there are too many, whatever the number. */
export const MOST_FILES = 1_000;

/** What is odd about what came. */
export const ODDITIES = ['TOO_MANY', 'TOO_SMALL', 'TOO_LARGE', 'UNUSUAL_SIZE', 'SAME_CONTENT', 'OTHER_DATE'] as const;
export type Oddity = (typeof ODDITIES)[number];

const percentSchema = z
  .union([z.number(), z.string().regex(/^\d{1,3}(?:\.\d+)?%$/, 'must be a percentage such as 50%')])
  .transform((value) => (typeof value === 'number' ? value : Number.parseFloat(value)))
  .pipe(z.number().positive().max(1_000));

const dueSchema = z
  .strictObject({
    at: timeOfDaySchema.optional(),
    /** From when on files count; on the day before if it is not before `at`. Midnight when absent. */
    opens: timeOfDaySchema.optional(),
    /** Until when late files count; on the day after if it is not after `at`. */
    graceUntil: timeOfDaySchema.optional(),
    cron: cronSchema.optional(),
    /** With `cron`: for how long before it files count. An hour when absent. */
    opensBefore: durationSchema({ minMs: MINUTE_MS, maxMs: 7 * DAY_MS }).optional(),
    /** With `cron`: for how long after it late files count. */
    grace: durationSchema({ minMs: MINUTE_MS, maxMs: 7 * DAY_MS }).optional(),
    /** Of the tenant. Other days have no occurrence. */
    calendar: idSchema.optional(),
    /** The calendar's, or the tenant's, when absent. */
    timeZone: timeZoneSchema.optional(),
  })
  .superRefine((due, context) => {
    const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if ((due.at === undefined) === (due.cron === undefined)) fault('at', 'has either `at` or `cron`');
    for (const key of ['opens', 'graceUntil'] as const)
      if (due.at === undefined && due[key] !== undefined) fault(key, 'belongs to `at`');
    for (const key of ['opensBefore', 'grace'] as const)
      if (due.cron === undefined && due[key] !== undefined) fault(key, 'belongs to `cron`');
    if (due.calendar !== undefined && due.timeZone !== undefined)
      fault('timeZone', 'is that of the calendar; leave it out');
  });
export type Due = z.output<typeof dueSchema>;

const countSchema = z
  .strictObject({
    min: z.int().min(1).max(MOST_FILES).default(1),
    max: z.int().min(1).max(MOST_FILES).optional(),
  })
  .refine(({ min, max = min }) => min <= max, { error: 'min is greater than max', path: ['min'] });

const expectedSizeSchema = z.strictObject({
  min: sizeSchema.optional(),
  max: sizeSchema.optional(),
  /** Of the files of its last 20 occurrences. */
  withinOfMedian: percentSchema.optional(),
});

export const expectationDocumentSchema = z.strictObject({
  kind: z.literal('expectation'),
  tenant: idSchema,
  name: idSchema,
  description: z.string().max(500).optional(),
  /** Globs over the path in the tenant's home, whatever brought the file. */
  match: globsSchema.refine((globs) => globs.length > 0, { error: 'needs at least one glob' }),
  due: dueSchema,
  count: countSchema.default({ min: 1 }),
  size: expectedSizeSchema.optional(),
  /** Of which day a date in the name, as in orders-2026-01-31.csv or orders_20260131.csv, is to be. */
  dateInName: z.enum(['same-day', 'previous-business-day']).optional(),
  warn: z
    .strictObject({
      before: durationSchema({ minMs: MINUTE_MS, maxMs: DAY_MS }).optional(),
      /** Later than 95 % of its last 20 arrivals. */
      whenLaterThanUsual: z.boolean().default(false),
    })
    .default({ whenLaterThanUsual: false }),
  notify: notifySchema.default([]),
});
export type ExpectationDocument = z.output<typeof expectationDocumentSchema>;

/** `opens` of `at` and `opensBefore` of `cron` when they are absent. */
export const DEFAULT_OPENS = '00:00';
export const DEFAULT_OPENS_BEFORE_MS = HOUR_MS;
/** After the time that files were due, unless the next ones are due before. */
export const DEFAULT_GRACE_MS = DAY_MS;
