/** `maxRecordBytes`: how long one record of a file may be. */
import { z } from 'zod';

/**
 * A record is read in one go: a longer one would hold up every other job of the worker for more than 200 ms, and with its copies (as text, as
 * values, as a row for the database) take more than 64 MB.
 */
export const LONGEST_RECORD_BYTES = 1_048_576;

/** A longer record is refused, so that a missing quote or line break cannot fill the memory. */
export const maxRecordBytesSchema = z.int().min(1).max(LONGEST_RECORD_BYTES).default(LONGEST_RECORD_BYTES);
