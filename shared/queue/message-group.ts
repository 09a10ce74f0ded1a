/**
 * A FIFO group's id from whatever names the group, e.g. tenant and directory.
 *
 * Amazon SQS takes at most 128 ASCII alphanumerics and punctuation (SendMessage, MessageGroupId), and directories are longer and
 * hold any character: hence a hash.
 */
import { createHash } from 'node:crypto';

export function messageGroupId(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
