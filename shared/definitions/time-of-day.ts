/** A time of day in definitions: `08:00`; YAML would read `08:00` without quotes as a number. */
import { z } from 'zod';

export const timeOfDaySchema = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as "07:00", in quotes');
