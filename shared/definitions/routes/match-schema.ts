/** `match` of a route: what a file has to be for the route to take it. All that is said has to hold. */
import { z } from 'zod';
import { WEEKDAYS } from '#shared/definitions/calendar-schema.ts';
import { compileLinearPattern } from '#shared/definitions/linear-pattern.ts';
import { regionSchema } from '#shared/definitions/name-schemas.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import { timeOfDaySchema } from '#shared/definitions/time-of-day.ts';
import { globSchema, globsSchema } from './glob-schema.ts';

/** How a file can have come; what was found without its event counts as what wrote it. */
export const MATCHED_SOURCES = ['sftp', 's3', 'pull', 'portal', 'http', 'link', 'unpack'] as const;

/** Of S3, which compares names without regard to case: lower-case letters, digits and `-`. */
const metadataNameSchema = z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,127}$/, 'must be a name of metadata in lower case');

export const hoursSchema = z
  .strictObject({
    days: z.array(z.enum(WEEKDAYS)).min(1).max(7).optional(),
    from: timeOfDaySchema,
    to: timeOfDaySchema,
  })
  .refine(({ from, to }) => from !== to, { error: 'begins when it ends' });
export type Hours = z.output<typeof hoursSchema>;

const patternSchema = z.string().superRefine((source, context) => {
  const pattern = compileLinearPattern(source);
  if (!pattern.ok) context.addIssue({ code: 'custom', message: pattern.message });
});

const headerSchema = z
  .strictObject({
    /** Names that the first line has, in any order; it may have more. */
    columns: z.array(z.string().min(1).max(200)).min(1).max(200).optional(),
    delimiter: z.string().length(1, 'must be one character').default(','),
    /** Fits the whole first line, without its end. */
    pattern: patternSchema.optional(),
  })
  .refine(({ columns, pattern }) => columns !== undefined || pattern !== undefined, {
    error: 'needs columns, or a pattern',
  });

export const matchSchema = z
  .strictObject({
    /** Globs relative to the tenant's home; one of them has to match. */
    path: globsSchema.refine((globs) => globs.length > 0, { error: 'needs at least one glob' }),
    exclude: globsSchema.default([]),
    minSize: sizeSchema.optional(),
    maxSize: sizeSchema.optional(),
    source: z.array(z.enum(MATCHED_SOURCES)).min(1).optional(),
    /** Globs of who sent it: the name of an SFTP user, of an API key or of a person. */
    user: globsSchema.refine((globs) => globs.length > 0, { error: 'needs at least one glob' }).optional(),
    /** When it arrived, by the clock of the tenant's time zone: within one of these. */
    time: z.array(hoursSchema).min(1).max(20).optional(),
    /** Where it arrived: regions of fleets. */
    region: z.array(regionSchema).min(1).max(20).optional(),
    /** Globs of values by name. */
    metadata: z.record(metadataNameSchema, globSchema).optional(),
    /** Globs of values by the keys of the object's tags. */
    tags: z.record(z.string().min(1).max(128), globSchema).optional(),
    /** What the content is, whatever the name says: `pdf`, `csv`, `zip`. */
    type: z
      .array(z.string().regex(/^[a-z0-9.]{1,16}$/, 'must be an extension such as csv'))
      .min(1)
      .max(100)
      .optional(),
    header: headerSchema.optional(),
  })
  .refine(({ minSize, maxSize }) => minSize === undefined || maxSize === undefined || minSize <= maxSize, {
    error: 'minSize is greater than maxSize',
    path: ['minSize'],
  });
export type Match = z.output<typeof matchSchema>;
