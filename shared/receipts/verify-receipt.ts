/** Verifies a receipt with published keys alone, without asking anybody. */
import { createHash } from 'node:crypto';
import type { JSONWebKeySet } from 'jose';
import { z } from 'zod';
import { parseJson } from '#shared/text/parse-json.ts';
import { RECEIPT_TYPE } from './receipt-keys.ts';

export const receiptSchema = z.looseObject({
  tenant: z.string(),
  seq: z.number(),
  previous: z.string().nullable(),
  issuedAt: z.string(),
  file: z.looseObject({ id: z.string(), path: z.string(), sizeBytes: z.number(), sha256: z.string() }),
  deliveries: z.array(z.looseObject({ step: z.string() })),
});
export type ReceiptPayload = z.output<typeof receiptSchema>;

export type Verified =
  | { readonly ok: true; readonly payload: ReceiptPayload; readonly hash: string }
  | { readonly ok: false; readonly reason: 'signature' | 'key' | 'form' };

export async function verifyReceipt(jws: string, keys: JSONWebKeySet): Promise<Verified> {
  const { compactVerify, createLocalJWKSet, errors } = await import('jose');
  try {
    const { payload, protectedHeader } = await compactVerify(jws, createLocalJWKSet(keys), { algorithms: ['EdDSA'] });
    const parsed = receiptSchema.safeParse(parseJson(Buffer.from(payload).toString()));
    if (!parsed.success || protectedHeader.typ !== RECEIPT_TYPE) return { ok: false, reason: 'form' };
    return { ok: true, payload: parsed.data, hash: hashOfReceipt(jws) };
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return { ok: false, reason: 'key' };
    return { ok: false, reason: error instanceof errors.JWSSignatureVerificationFailed ? 'signature' : 'form' };
  }
}

/** What the tenant's next receipt has as `previous`. */
export function hashOfReceipt(jws: string): string {
  return createHash('sha256').update(jws).digest('hex');
}
