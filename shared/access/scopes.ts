/**
 * Scopes narrow what a key or a token may do to a part of what its role allows; without any, the role alone decides.
 *
 * A scope grants nothing: whatever is not in the role stays refused. Which endpoints each one reaches is in
 * `services/control-api/http/scope-guard.ts`.
 */
import type { Permission } from './permissions.ts';

export const SCOPES = [
  'campaigns:read',
  'campaigns:write',
  'templates:write',
  'suppressions:write',
  'files:read',
  'files:write',
] as const;

export type Scope = (typeof SCOPES)[number];

export const PERMISSIONS_OF_SCOPE: Readonly<Record<Scope, readonly Permission[]>> = {
  'campaigns:read': ['read'],
  'campaigns:write': ['campaigns:change'],
  'templates:write': ['templates:change'],
  'suppressions:write': ['suppressions:change'],
  'files:read': ['read', 'files:download', 'results:download'],
  'files:write': ['files:upload'],
};

/** Those of a token that are ours; undefined: it has none, and is not narrowed. */
export function scopesAmong(names: readonly string[]): readonly Scope[] | undefined {
  const scopes = SCOPES.filter((scope) => names.includes(scope));
  return scopes.length > 0 ? scopes : undefined;
}
