/**
 * What an unsubscribe link carries: the message, and the hash of its address, signed. No expiry: a mail is read years later. Short enough for
 * mail clients that break long lines. Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface Unsubscribe {
  readonly campaignId: string;
  readonly line: number;
  /** Hex. */
  readonly addressHash: string;
}

const VERSION = 1;
const CONTENT_BYTES = 1 + 16 + 6 + 32;
const SIGNATURE_BYTES = 18;

export function writeUnsubscribeToken({ campaignId, line, addressHash }: Unsubscribe, secret: string): string {
  const content = Buffer.alloc(CONTENT_BYTES);
  content.writeUInt8(VERSION, 0);
  content.write(campaignId.replaceAll('-', ''), 1, 'hex');
  content.writeUIntBE(line, 17, 6);
  content.write(addressHash, 23, 'hex');
  return Buffer.concat([content, sign(content, secret)]).toString('base64url');
}

/** Undefined: forged or altered. */
export function readUnsubscribeToken(token: string, secret: string): Unsubscribe | undefined {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length !== CONTENT_BYTES + SIGNATURE_BYTES || bytes[0] !== VERSION) return undefined;
  const content = bytes.subarray(0, CONTENT_BYTES);
  if (!timingSafeEqual(bytes.subarray(CONTENT_BYTES), sign(content, secret))) return undefined;
  const id = content.toString('hex', 1, 17);
  return {
    campaignId: [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20)].join('-'),
    line: content.readUIntBE(17, 6),
    addressHash: content.toString('hex', 23, 55),
  };
}

function sign(content: Buffer, secret: string): Buffer {
  return createHmac('sha256', secret).update('unsubscribe ').update(content).digest().subarray(0, SIGNATURE_BYTES);
}
