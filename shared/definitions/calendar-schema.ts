/** What a YAML document of a calendar may say: the business days of a tenant. */
import { z } from 'zod';
import { idSchema, timeZoneSchema } from '#shared/definitions/name-schemas.ts';

/** In the order of ISO 8601: Monday is 1. */
export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** `2026-12-25`; YAML gives a date as text. */
export const dateSchema = z.iso.date({ error: 'must be a date such as 2026-12-25' });

/** Its own and those that it reads, together. */
export const MOST_HOLIDAYS = 2_000;

export const calendarDocumentSchema = z.strictObject({
  kind: z.literal('calendar'),
  tenant: idSchema,
  name: idSchema,
  description: z.string().max(500).optional(),
  timeZone: timeZoneSchema,
  weekdays: z.array(z.enum(WEEKDAYS)).min(1).max(7).default(['mon', 'tue', 'wed', 'thu', 'fri']),
  holidays: z.array(dateSchema).max(MOST_HOLIDAYS).default([]),
  /** A text file with further holidays, a date a line, in an external store of the tenant. */
  holidaysFrom: z
    .strictObject({
      store: idSchema,
      bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
      key: z.string().min(1).max(1_000),
    })
    .optional(),
});
export type CalendarDocument = z.output<typeof calendarDocumentSchema>;
