/** Who uses the page, and what they may do. */
import { useQuery } from '@tanstack/react-query';
import type { Permission, Role } from '#shared/access/permissions.ts';
import { get } from './client.ts';

export interface PortalLook {
  readonly name?: string;
  readonly logo?: string;
  readonly themes?: Readonly<Record<'light' | 'dark', ThemeColours>>;
}

interface ThemeColours {
  readonly accent: string;
  readonly on_accent: string;
  readonly soft: string;
}

export interface Me {
  /** As it is in the audit. */
  readonly actor: string;
  readonly tenant: string | null;
  readonly time_zone: string | null;
  /** How the portal looks for the tenant's people. */
  readonly portal?: PortalLook | null;
  readonly role: Role;
  readonly permissions: readonly Permission[];
  /** Null for a key. */
  readonly person: { readonly name: string } | null;
  readonly session: { readonly ends_at: string } | null;
}

export const ME = {
  queryKey: ['me'],
  queryFn: ({ signal }: { readonly signal: AbortSignal }) => get<Me>('/api/v1/me', { signal }),
};

export function useMe() {
  return useQuery(ME);
}

/** Why a verb cannot be used, for its button; undefined when it can. */
export function useRefusal(permission: Permission): string | undefined {
  const { data } = useMe();
  if (data === undefined || data.permissions.includes(permission)) return undefined;
  return `Your role, ${data.role}, does not have the permission ${permission}.`;
}
