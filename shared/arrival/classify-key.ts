/** What an object's key says about it: whose it is, and whether it is a file at all. Pure. */
import { UNASSIGNED_TENANT } from '#shared/db/schema.ts';
import { canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import { messageGroupId } from '#shared/queue/message-group.ts';
import type { ArrivalTenant } from './tenant-directory.ts';

interface ArrivalError {
  readonly code: string;
  readonly cause: string;
  readonly message: string;
}

/** What GuardDuty puts at the top of a bucket to see whether it may scan there. */
export const GUARDDUTY_PROBE = 'malware-protection-resource-validation-object';

export type KeyClass =
  | { readonly type: 'ignored'; readonly why: 'directory marker' | 'ignored name' }
  | {
      readonly type: 'file';
      readonly tenantId: string;
      readonly name: string;
      /** Files of one directory keep their order on ordered routes. */
      readonly orderKey: string;
      /** Present: the file is set aside. */
      readonly error?: ArrivalError;
    };

/** The first segment, when the key has another one after it: `tenant/` compares with its separator. */
export function tenantOfKey(key: string): string | undefined {
  const end = key.indexOf('/');
  return end > 0 ? key.slice(0, end) : undefined;
}

export function classifyKey(key: string, tenants: ReadonlyMap<string, ArrivalTenant>): KeyClass {
  if (key.endsWith('/')) return { type: 'ignored', why: 'directory marker' };
  if (key === GUARDDUTY_PROBE) return { type: 'ignored', why: 'ignored name' };
  const lastSlash = key.lastIndexOf('/');
  const name = key.slice(lastSlash + 1);
  const tenant = tenants.get(tenantOfKey(key) ?? '');
  const tenantId = tenant?.id ?? UNASSIGNED_TENANT;
  const file = {
    type: 'file',
    tenantId,
    name,
    orderKey: messageGroupId(tenantId, key.slice(0, lastSlash + 1)),
  } as const;
  if (tenant === undefined) return { ...file, error: unknownTenant(key) };
  if (tenant.ignores(name)) return { type: 'ignored', why: 'ignored name' };
  if (tenant.isDisabled) return { ...file, error: disabledTenant(tenant.id) };
  const canonical = canonicalKey(key);
  if (!canonical.ok) return { ...file, error: rejectedKey(canonical.message) };
  return file;
}

function unknownTenant(key: string): ArrivalError {
  const prefix = tenantOfKey(key);
  const where = prefix === undefined ? 'at the top of the landing bucket' : `under "${prefix}/"`;
  return {
    code: 'TENANT_UNKNOWN',
    cause: 'NO_SUCH_TENANT',
    message: `The object lies ${where}, and no tenant has that prefix. Create the tenant, or put the object under a tenant's prefix; then copy it onto itself.`,
  };
}

function rejectedKey(fault: string): ArrivalError {
  return {
    code: 'NAME_REJECTED',
    cause: 'KEY_REJECTED',
    message: `The object cannot be processed under its key: ${fault}. Have it sent again under another name.`,
  };
}

function disabledTenant(tenantId: string): ArrivalError {
  return {
    code: 'TENANT_DISABLED',
    cause: 'TENANT_DISABLED',
    message: `The tenant ${tenantId} is disabled. Run \`longshore enable tenant ${tenantId} --reason ...\`, then ask the sender to send the file again.`,
  };
}
