/**
 * Scopes narrow what a key or a token may do to a part of what its role allows; without any, the role alone decides.
 *
 * A scope grants nothing: whatever is not in the role stays refused. Which permissions each one leaves is in `permissions.ts`, which endpoints
 * it reaches in `services/control-api/http/scope-guard.ts`.
 */
export const SCOPES = [
  'campaigns:read',
  'campaigns:write',
  'templates:write',
  'suppressions:write',
  'files:read',
  'files:write',
] as const;

export type Scope = (typeof SCOPES)[number];

/** Those of a token that are ours; undefined: it has none, and is not narrowed. */
export function scopesAmong(names: readonly string[]): readonly Scope[] | undefined {
  const scopes = SCOPES.filter((scope) => names.includes(scope));
  return scopes.length > 0 ? scopes : undefined;
}
