/** Ids and names that tenants give: parts of keys, metrics and MessageGroupIds, hence short and plain. */
import { z } from 'zod';

export const idSchema = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be 1 to 63 lower-case letters, digits and "-", beginning and ending with a letter or digit',
  );
