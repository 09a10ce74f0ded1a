/**
 * The variables of the control API that people ask about, with their values and where those come from.
 *
 * 1. What is not named here is not shown: the address of the database has a password. A secret is named by its name in the secret store.
 */
import type { z } from 'zod';
import type { Setting } from '#shared/api/settings.ts';

export const SHOWN: Readonly<Record<Setting['group'], readonly string[]>> = {
  'approvals and reasons': ['LONGSHORE_ACTION_APPROVAL_OVER', 'LONGSHORE_REASON_PATTERN'],
  'sign-in': [
    'LONGSHORE_OIDC_ISSUER',
    'LONGSHORE_OIDC_CLIENT_ID',
    'LONGSHORE_OIDC_SCOPES',
    'LONGSHORE_OIDC_ROLES_CLAIM',
    'LONGSHORE_CONSOLE_ROLES',
    'LONGSHORE_CONSOLE_LINKS',
    'LONGSHORE_CONSOLE_ORIGIN',
    'LONGSHORE_PORTAL_ORIGIN',
    'LONGSHORE_SMTP_HOST',
    'LONGSHORE_SMTP_FROM',
  ],
  programs: [
    'LONGSHORE_API_OAUTH_ISSUER',
    'LONGSHORE_API_OAUTH_AUDIENCE',
    'LONGSHORE_API_OAUTH_JWKS_URL',
    'LONGSHORE_API_OAUTH_ALGORITHMS',
    'LONGSHORE_API_OAUTH_ROLES',
    'LONGSHORE_API_OAUTH_TENANT_CLAIM',
  ],
  'chat and links': [
    'LONGSHORE_PUBLIC_URL',
    'LONGSHORE_LINK_SECRET',
    'LONGSHORE_SLACK_SIGNING_SECRET',
    'LONGSHORE_SLACK_BOT_TOKEN',
    'LONGSHORE_SLACK_WORKSPACES',
    'LONGSHORE_TEAMS_WEBHOOKS',
  ],
  limits: [
    'LONGSHORE_API_RATE_PER_SECOND',
    'LONGSHORE_API_STRANGER_RATE_PER_MINUTE',
    'LONGSHORE_API_KEY_CACHE_MS',
    'LONGSHORE_API_STREAMS_PER_KEY',
    'LONGSHORE_API_STREAMS',
    'LONGSHORE_API_TRUSTED_PROXIES',
  ],
};

type Shape = Readonly<Record<string, z.ZodType>>;

/** `env` is what the process was started with, and was found valid. */
export function listSettings(shape: Shape, env: Readonly<Record<string, string | undefined>>): Setting[] {
  return Object.entries(SHOWN).flatMap(([group, names]) =>
    names.map((name): Setting => {
      // An empty variable counts as absent, as it does for the process.
      const set = env[name] || undefined;
      const value = set ?? fallbackOf(shape[name]);
      return {
        name,
        group: group as Setting['group'],
        value: value ?? null,
        source: set !== undefined ? 'environment' : value !== undefined ? 'default' : 'none',
        meaning: shape[name]?.description ?? '',
      };
    }),
  );
}

function fallbackOf(schema: z.ZodType | undefined): string | undefined {
  const absent = schema?.safeParse(undefined);
  const value = absent?.success ? absent.data : undefined;
  if (value instanceof Map) return undefined;
  return value === undefined ? undefined : String(value) || undefined;
}
