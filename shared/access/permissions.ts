/**
 * Who may do what. A person or a program has one role; a role of a tenant reaches that tenant's own things only.
 *
 * A tenant may end its jobs and have its files routed again. What sends something to a partner once more, and what lets go a file that is
 * held, takes an operator: otherwise a sender could release what was held back from it.
 */
import type { Scope } from './scopes.ts';

export const OPERATOR_ROLES = ['viewer', 'operator', 'admin', 'auditor'] as const;
export const TENANT_ROLES = ['tenant-viewer', 'sender', 'tenant-admin'] as const;
export const ROLES = [...OPERATOR_ROLES, ...TENANT_ROLES] as const;

export type Role = (typeof ROLES)[number];

export const PERMISSIONS = [
  'read',
  'records:values',
  'jobs:retry',
  'jobs:review',
  'jobs:cancel',
  'effects:resend',
  'files:reroute',
  'files:upload',
  'files:download',
  'results:download',
  'uploads:invite',
  'letters:redrive',
  'notices:retry',
  'pulls:change',
  'partners:change',
  'partners:test',
  'campaigns:change',
  'templates:change',
  'suppressions:change',
  'recipients:erase',
  'definitions:apply',
  'proposals:make',
  'proposals:read',
  'access:change',
  'keys:manage',
  'people:manage',
  'files:restore',
  'holds:change',
  'queues:read',
  'settings:read',
  'audit:read',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

const OPERATOR: readonly Permission[] = [
  'read',
  'records:values',
  'jobs:retry',
  'jobs:review',
  'jobs:cancel',
  'effects:resend',
  'files:reroute',
  'files:download',
  'results:download',
  'uploads:invite',
  'letters:redrive',
  'notices:retry',
  'pulls:change',
  'partners:test',
  'campaigns:change',
  'templates:change',
  'suppressions:change',
  'recipients:erase',
  'files:restore',
  'proposals:make',
  'proposals:read',
  'queues:read',
  'settings:read',
];

export const PERMISSIONS_OF: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ['read', 'proposals:read', 'queues:read', 'settings:read'],
  operator: OPERATOR,
  admin: PERMISSIONS,
  auditor: ['read', 'proposals:read', 'settings:read', 'audit:read'],
  'tenant-viewer': ['read', 'results:download'],
  sender: [
    'read',
    'jobs:cancel',
    'files:upload',
    'results:download',
    'campaigns:change',
    'templates:change',
    'suppressions:change',
  ],
  'tenant-admin': [
    'read',
    'jobs:cancel',
    'files:reroute',
    'files:upload',
    'files:download',
    'results:download',
    'uploads:invite',
    'notices:retry',
    'pulls:change',
    'campaigns:change',
    'templates:change',
    'suppressions:change',
    'recipients:erase',
    'keys:manage',
    'people:manage',
    'audit:read',
  ],
};

/** What each scope leaves of a role. */
const PERMISSIONS_OF_SCOPE: Readonly<Record<Scope, readonly Permission[]>> = {
  'campaigns:read': ['read'],
  'campaigns:write': ['campaigns:change'],
  'templates:write': ['templates:change'],
  'suppressions:write': ['suppressions:change'],
  'files:read': ['read', 'files:download', 'results:download'],
  'files:write': ['files:upload'],
};

export function isTenantRole(role: Role): role is (typeof TENANT_ROLES)[number] {
  return (TENANT_ROLES as readonly Role[]).includes(role);
}

/** Of a credential that names none. */
export function defaultRole(tenantId: string | null): Role {
  return tenantId === null ? 'admin' : 'tenant-admin';
}

/** How a person signed in: by a one-time link that a key made, at a provider, by a link in a mail. */
export type SignInWay = 'link' | 'oidc' | 'mail';

export interface Caller {
  /** Of an API key its id, of a token `issuer|subject`, of a person `person:id`. */
  readonly keyId: string;
  /** Null: an operator, who sees every tenant. */
  readonly tenantId: string | null;
  /** As it is in the audit. */
  readonly label: string;
  readonly role: Role;
  /** Of a key or a token that was narrowed to them. */
  readonly scopes?: readonly Scope[];
  /** Of a person. */
  readonly session?: Session;
}

export interface Session {
  readonly id: string;
  readonly personId: string;
  readonly name: string;
  readonly email: string | null;
  readonly way: SignInWay;
  /** When the person last proved who it is, in ms since 1970. */
  readonly provedAtMs: number;
  /** That was in the last ten minutes, by the database's clock. */
  readonly isRecent: boolean;
}

/** Of an API key; sessions and tokens have ids of another form. */
export function isKeyId(keyId: string): boolean {
  return /^[0-9a-f-]{36}$/.test(keyId);
}

/** As it is in the audit. No key can take a person's name: those of keys begin otherwise. */
export function actorOf({ tenantId, label, session }: Pick<Caller, 'tenantId' | 'label' | 'session'>): string {
  if (session !== undefined) return personActor(tenantId, label);
  return tenantId === null ? `operator:${label}` : `tenant:${tenantId}:${label}`;
}

export function personActor(tenantId: string | null, label: string): string {
  return tenantId === null ? `person:${label}` : `person:${tenantId}:${label}`;
}

export function may(caller: Pick<Caller, 'role' | 'scopes'>, permission: Permission): boolean {
  return permissionsOf(caller).includes(permission);
}

export function permissionsOf({ role, scopes }: Pick<Caller, 'role' | 'scopes'>): readonly Permission[] {
  if (scopes === undefined) return PERMISSIONS_OF[role];
  return PERMISSIONS_OF[role].filter((each) => scopes.some((scope) => PERMISSIONS_OF_SCOPE[scope].includes(each)));
}
