/** The variables of signing in. */
import { z } from 'zod';
import { OPERATOR_ROLES, type Role } from '#shared/access/permissions.ts';
import { ownSecretNameSchema } from '#shared/definitions/name-schemas.ts';
import { issuerSchema, rolesClaimSchema, scopesSchema } from '#shared/definitions/sign-in-schema.ts';
import { networksVariable } from '#shared/runtime/config/fleet-variables.ts';
import { booleanVariable, jsonVariable } from '#shared/runtime/config/load-config.ts';
import type { OidcClient } from './oidc-provider.ts';

const originVariable = z
  .url({ protocol: /^https?$/ })
  .refine((text) => URL.canParse(text) && new URL(text).origin === text.replace(/\/$/, ''), {
    error: 'must be an origin, such as https://longshore.example',
  })
  .transform((text) => new URL(text).origin);

export const signInVariables = {
  LONGSHORE_OIDC_ISSUER: issuerSchema
    .optional()
    .describe(
      'OpenID Connect provider at which operators sign in to the console. Set it with client id, roles and `LONGSHORE_CONSOLE_ORIGIN`.',
    ),
  LONGSHORE_OIDC_CLIENT_ID: z.string().min(1).max(256).optional().describe('Client id at the provider.'),
  LONGSHORE_OIDC_CLIENT_SECRET_NAME: ownSecretNameSchema
    .optional()
    .describe('Name in the secret store of the client secret. Without it, the client is a public one.'),
  LONGSHORE_OIDC_SCOPES: scopesSchema.describe('Scopes that are asked for. Some providers have a scope for groups.'),
  LONGSHORE_OIDC_ROLES_CLAIM: rolesClaimSchema.describe(
    'Claim of the ID token that decides the role; `realm_access.roles` names a claim within a claim.',
  ),
  LONGSHORE_CONSOLE_ROLES: jsonVariable
    .pipe(z.record(z.string(), z.enum(OPERATOR_ROLES)))
    .optional()
    .describe('JSON from values of that claim to roles: `{"sre-prod":"operator"}`. The first match counts.'),
  LONGSHORE_OIDC_ADDRESSES: networksVariable
    .optional()
    .describe('Networks that are not public and in which providers, also those of tenants, may be, comma-separated.'),
  LONGSHORE_CONSOLE_LINKS: booleanVariable
    .default(false)
    .describe(
      'Set `true` to let `longshore console` make one-time sign-in links. They work from the same machine only; `npm start` sets it.',
    ),
  LONGSHORE_CONSOLE_ORIGIN: originVariable
    .optional()
    .describe('Origin under which people reach the console, such as `https://longshore.example`.'),
  LONGSHORE_PORTAL_ORIGIN: originVariable
    .optional()
    .describe('Origin under which tenants reach the portal. May be that of the console.'),
};

export interface SignInSettings {
  /** Whether one-time links of keys are given and taken. */
  readonly hasLinks: boolean;
  readonly consoleOrigin: string | undefined;
  readonly portalOrigin: string | undefined;
  /** Where operators sign in; undefined: nowhere. */
  readonly oidc?: OidcSettings | undefined;
  /** Networks that are not public, in which providers may be. */
  readonly oidcAddresses?: readonly string[];
}

export interface OidcSettings extends OidcClient {
  readonly rolesClaim: string;
  readonly roles: Readonly<Record<string, Role>>;
  readonly origin: string;
}

const schema = z.object(signInVariables);
type SignInVariables = z.output<typeof schema>;

/** What the variables of one way to sign in need of each other. */
export function checkSignIn(read: SignInVariables, context: z.RefinementCtx): void {
  if (read.LONGSHORE_OIDC_ISSUER === undefined) return;
  const needed = {
    LONGSHORE_OIDC_CLIENT_ID: read.LONGSHORE_OIDC_CLIENT_ID,
    LONGSHORE_CONSOLE_ROLES: read.LONGSHORE_CONSOLE_ROLES,
    LONGSHORE_CONSOLE_ORIGIN: read.LONGSHORE_CONSOLE_ORIGIN,
  };
  for (const [name, value] of Object.entries(needed))
    if (value === undefined)
      context.addIssue({ code: 'custom', path: [name], message: 'is required with LONGSHORE_OIDC_ISSUER' });
}

export function signInSettingsOf(config: SignInVariables): SignInSettings {
  return {
    hasLinks: config.LONGSHORE_CONSOLE_LINKS,
    consoleOrigin: config.LONGSHORE_CONSOLE_ORIGIN,
    portalOrigin: config.LONGSHORE_PORTAL_ORIGIN,
    oidc: oidcSettingsOf(config),
    oidcAddresses: config.LONGSHORE_OIDC_ADDRESSES ?? [],
  };
}

function oidcSettingsOf(config: SignInVariables): OidcSettings | undefined {
  const {
    LONGSHORE_OIDC_ISSUER: issuer,
    LONGSHORE_OIDC_CLIENT_ID: clientId,
    LONGSHORE_CONSOLE_ORIGIN: origin,
  } = config;
  if (issuer === undefined || clientId === undefined || origin === undefined) return undefined;
  return {
    issuer,
    clientId,
    origin,
    clientSecretName: config.LONGSHORE_OIDC_CLIENT_SECRET_NAME,
    scopes: config.LONGSHORE_OIDC_SCOPES,
    rolesClaim: config.LONGSHORE_OIDC_ROLES_CLAIM,
    roles: config.LONGSHORE_CONSOLE_ROLES ?? {},
  };
}

export function pageOriginsOf({ consoleOrigin, portalOrigin }: SignInSettings): string[] {
  return [consoleOrigin, portalOrigin].filter((origin) => origin !== undefined);
}
