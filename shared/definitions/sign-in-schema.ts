/** How the people of a tenant sign in to the portal: at the tenant's own OpenID Connect provider. Without one, they sign in by mail. */
import { z } from 'zod';
import { TENANT_ROLES } from '#shared/access/permissions.ts';
import { secretNameSchema } from './name-schemas.ts';

const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost'];

export const issuerSchema = z.url().refine((text) => {
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  const isSecure = protocol === 'https:' || (protocol === 'http:' && LOOPBACK.includes(hostname));
  return isSecure && [username, password, search, hash].every((part) => part === '');
}, 'must be https, without user, query and fragment');

export const scopesSchema = z
  .string()
  .max(500)
  .regex(/^openid(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must begin with openid')
  .default('openid profile email');

/** Of the ID token. `realm_access.roles` names a claim within a claim. */
export const rolesClaimSchema = z.string().min(1).max(200).default('groups');

export const tenantSignInSchema = z.strictObject({
  oidc: z.strictObject({
    issuer: issuerSchema,
    clientId: z.string().min(1).max(256),
    /** Without it, the client is a public one. */
    clientSecret: secretNameSchema.optional(),
    scopes: scopesSchema,
    rolesClaim: rolesClaimSchema,
    /** From values of the claim; the first that a person has counts. */
    roles: z
      .record(z.string().min(1).max(256), z.enum(TENANT_ROLES))
      .refine((roles) => Object.keys(roles).length > 0, 'must give at least one role: nobody could sign in'),
  }),
});
export type TenantSignIn = z.infer<typeof tenantSignInSchema>;
