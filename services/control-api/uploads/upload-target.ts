/**
 * Where an upload goes: the key in landing, under the tenant's own prefix, checked before a byte is taken.
 *
 * The same rules decide about it as about any object that lands; what they would set aside is refused here.
 */
import type { Caller } from '#shared/access/permissions.ts';
import { classifyKey } from '#shared/arrival/classify-key.ts';
import type { TenantDirectory } from '#shared/arrival/tenant-directory.ts';
import { canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import { ERROR_CODES, type ErrorCode, LongshoreError } from '#shared/errors.ts';

export interface UploadTarget {
  readonly tenantId: string;
  readonly key: string;
  /** In the tenant's home. */
  readonly path: string;
}

/** As file systems and SFTP clients take them. */
const LONGEST_NAME_BYTES = 255;

/** The tenant of a caller, or the one that an operator names. @throws LongshoreError `REQUEST_INVALID`, `NOT_FOUND` */
export function tenantOf(caller: Pick<Caller, 'tenantId'>, asked: string | undefined): string {
  if (caller.tenantId === null) {
    if (asked === undefined) throw new LongshoreError('REQUEST_INVALID', 'tenant: an operator names the tenant.');
    return asked;
  }
  if (asked !== undefined && asked !== caller.tenantId) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
  return caller.tenantId;
}

/** @throws LongshoreError `NAME_REJECTED`, `TENANT_DISABLED`, `NOT_FOUND` */
export async function uploadTarget(directory: TenantDirectory, tenantId: string, path: string): Promise<UploadTarget> {
  const tenants = await directory.find([tenantId]);
  if (!tenants.has(tenantId)) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
  const prefix = `${tenantId}/`;
  const canonical = canonicalKey(`${prefix}${path}`, prefix);
  if (!canonical.ok) throw rejected(canonical.message);
  const { key } = canonical;
  if (key.split('/').some((segment) => Buffer.byteLength(segment) > LONGEST_NAME_BYTES))
    throw rejected(`a name in it is longer than ${LONGEST_NAME_BYTES} bytes`);
  const found = classifyKey(key, tenants);
  if (found.type === 'ignored')
    throw rejected('names of this kind are ignored until they are renamed; send the file under its final name');
  if (found.error !== undefined) {
    const { code, message } = found.error;
    throw new LongshoreError(isErrorCode(code) ? code : 'NAME_REJECTED', message);
  }
  return { tenantId, key, path: key.slice(prefix.length) };
}

function rejected(fault: string): LongshoreError {
  return new LongshoreError('NAME_REJECTED', `The file cannot be taken under this name: ${fault}.`);
}

function isErrorCode(code: string): code is ErrorCode {
  return code in ERROR_CODES;
}
