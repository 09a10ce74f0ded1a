/** Where in the outbound bucket a file that goes back to its sender lies: SFTP users see it as `/outbound/<folder>/<path>`. */
import { type CanonicalKey, canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import type { FileFacts } from './step-context.ts';

/**
 * Under the path that the file came by, so that files of one name in two directories keep apart; under its name alone where that would be
 * too long. What is written there is never compressed, and so not called `.gz`.
 */
export function outboundKey({ tenantId, key, name }: FileFacts, folder: 'rejects' | 'results'): CanonicalKey {
  const prefix = `${tenantId}/${folder}/`;
  const keyOf = (path: string): CanonicalKey =>
    canonicalKey(`${prefix}${path.replace(/(?<=[^/])\.gz(?:ip)?$/i, '')}`, prefix);
  const found = keyOf(key.slice(tenantId.length + 1));
  return found.ok ? found : keyOf(name);
}
