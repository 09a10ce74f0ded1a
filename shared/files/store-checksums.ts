/** Checksums as they are in the SDK's replies: one field per algorithm and one for the type of all. */
import { CHECKSUM_ALGORITHMS, type ObjectChecksum } from './object-checksum.ts';

export function checksumsOf(reply: object | undefined): ObjectChecksum[] {
  const fields = (reply ?? {}) as Readonly<Record<string, unknown>>;
  return CHECKSUM_ALGORITHMS.flatMap((algorithm): ObjectChecksum[] => {
    const value = fields[`Checksum${algorithm}`];
    if (typeof value !== 'string' || value === '') return [];
    // Stores that name no type mark a composite by the number of its parts: `<base64>-<parts>`.
    const isComposite = fields.ChecksumType === 'COMPOSITE' || /-\d+$/.test(value);
    return [{ algorithm, value, type: isComposite ? 'COMPOSITE' : 'FULL_OBJECT' }];
  });
}
