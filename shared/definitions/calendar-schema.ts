/** What a YAML document of a calendar may say: the days on which a tenant's business goes on. */
import { z } from 'zod';
import { idSchema, timeZoneSchema } from '#shared/definitions/name-schemas.ts';

/** In the order of ISO 8601: Monday is 1. */
export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** `2026-12-25`; YAML gives a date as text. */
const dateSchema = z.iso.date({ error: 'must be a date such as 2026-12-25' });

export const calendarDocumentSchema = z.strictObject({
  kind: z.literal('calendar'),
  tenant: idSchema,
  name: idSchema,
  description: z.string().max(500).optional(),
  timeZone: timeZoneSchema,
  weekdays: z.array(z.enum(WEEKDAYS)).min(1).max(7).default(['mon', 'tue', 'wed', 'thu', 'fri']),
  holidays: z.array(dateSchema).max(2_000).default([]),
});
export type CalendarDocument = z.output<typeof calendarDocumentSchema>;
