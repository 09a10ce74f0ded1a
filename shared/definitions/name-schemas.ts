/** Ids and names that tenants give: parts of keys, metrics and MessageGroupIds, hence short and plain. */
import { z } from 'zod';
import { OWN_SECRET_FOLDERS } from '#shared/runtime/config/secret-names.ts';

export const idSchema = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be 1 to 63 lower-case letters, digits and "-", beginning and ending with a letter or digit',
  );

export const regionSchema = z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be a region such as us-east-1');

export const secretNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9/_.-]{0,254}[A-Za-z0-9])?$/, 'must be the name of a secret')
  // As the secret store will ask: no part leads elsewhere or hides.
  .refine((name) => name.split('/').every((part) => part !== '' && !part.startsWith('.')), {
    error: 'must be the name of a secret',
  });

/** Of the fleet itself: never in the folder of a tenant, which could have it sent to itself. */
export const ownSecretNameSchema = secretNameSchema.refine(
  (name) => !name.includes('/') || OWN_SECRET_FOLDERS.includes(name.split('/')[0] ?? ''),
  { error: `must have no "/", or begin with ${OWN_SECRET_FOLDERS.join('/, ')}/: other folders are tenants’` },
);

export const tenantIdSchema = idSchema.refine((id) => !OWN_SECRET_FOLDERS.includes(id), {
  error: `must not be ${OWN_SECRET_FOLDERS.join(', ')}: secrets of the fleet are under these names`,
});

export const timeZoneSchema = z.string().refine(
  (zone) => {
    try {
      new Intl.DateTimeFormat('en', { timeZone: zone });
      return true;
    } catch {
      return false;
    }
  },
  { error: 'is not an IANA time zone such as UTC or Europe/Berlin' },
);
