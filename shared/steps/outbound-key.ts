/** Where in the outbound bucket a file that goes back to its sender lies: SFTP users see it as `/outbound/<folder>/<name>`. */
import { type CanonicalKey, canonicalKey } from '#shared/routes/canonical-key.ts';
import type { FileFacts } from './step-context.ts';

/** Under the name that the file came with; what is written there is never compressed, and so not called `.gz`. */
export function outboundKey({ tenantId, name }: FileFacts, folder: 'rejects' | 'results'): CanonicalKey {
  const prefix = `${tenantId}/${folder}/`;
  return canonicalKey(`${prefix}${name.replace(/(?<=.)\.gz(?:ip)?$/i, '')}`, prefix);
}
