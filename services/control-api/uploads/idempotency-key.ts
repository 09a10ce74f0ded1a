/** `Idempotency-Key`: one key is one file of a tenant, however often it is sent. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { UploadOnce } from './receive-file.ts';

export const idempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'is 1 to 200 visible ASCII characters')
    .optional()
    .describe('One key is one file: a repeated request gives the same answer.'),
});

/** `what`: the file is to be; with another one the key is refused. */
export function onceOf(
  request: { readonly headers: { readonly 'idempotency-key'?: string | undefined } },
  what: readonly unknown[],
): Extract<UploadOnce, { idempotencyKey: string }> | undefined {
  const idempotencyKey = request.headers['idempotency-key'];
  if (idempotencyKey === undefined) return undefined;
  return { idempotencyKey, requestHash: createHash('sha256').update(JSON.stringify(what)).digest('hex') };
}
