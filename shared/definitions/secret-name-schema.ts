/** The name of a secret, as definitions say it and the secret store will ask for it. Values are never written in a definition. */
import { z } from 'zod';

export const secretNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9/_.-]{0,254}[A-Za-z0-9])?$/, 'must be the name of a secret')
  // As the secret store will ask: no part leads elsewhere or hides.
  .refine((name) => name.split('/').every((part) => part !== '' && !part.startsWith('.')), {
    error: 'must be the name of a secret',
  });
