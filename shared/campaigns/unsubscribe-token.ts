/**
 * What an unsubscribe link carries: the message, the hash of its address, and what is unsubscribed from, signed. No expiry: a mail is read
 * years later, when its campaign may have been deleted. Short enough for mail clients that break long lines. Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface Unsubscribe {
  readonly campaignId: string;
  readonly line: number;
  /** Hex. */
  readonly addressHash: string;
  /** Absent in links of the first version, which count as long as their campaign is there. */
  readonly from?: UnsubscribedFrom;
}

export interface UnsubscribedFrom {
  readonly tenantId: string;
  readonly topic: string;
  readonly isMarketing: boolean;
}

const VERSIONS = { withoutTopic: 1, withTopic: 2 } as const;
const MESSAGE_BYTES = 1 + 16 + 6 + 32;
const SIGNATURE_BYTES = 18;
/** Which neither a tenant nor a topic has. */
const BETWEEN = '/';

export function writeUnsubscribeToken(
  { campaignId, line, addressHash, from }: Unsubscribe & { readonly from: UnsubscribedFrom },
  secret: string,
): string {
  const message = Buffer.alloc(MESSAGE_BYTES);
  message.writeUInt8(VERSIONS.withTopic, 0);
  message.write(campaignId.replaceAll('-', ''), 1, 'hex');
  message.writeUIntBE(line, 17, 6);
  message.write(addressHash, 23, 'hex');
  const what = [from.isMarketing ? 'm' : 't', from.tenantId, from.topic].join(BETWEEN);
  const content = Buffer.concat([message, Buffer.from(what, 'latin1')]);
  return Buffer.concat([content, sign(content, secret)]).toString('base64url');
}

/** Undefined: forged or altered; signed by none of the keys. */
export function readUnsubscribeToken(token: string, keys: readonly string[]): Unsubscribe | undefined {
  const bytes = Buffer.from(token, 'base64url');
  const content = bytes.subarray(0, -SIGNATURE_BYTES);
  if (content.length < MESSAGE_BYTES) return undefined;
  const signature = bytes.subarray(-SIGNATURE_BYTES);
  if (!keys.some((key) => timingSafeEqual(signature, sign(content, key)))) return undefined;
  const id = content.toString('hex', 1, 17);
  const message = {
    campaignId: [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20)].join('-'),
    line: content.readUIntBE(17, 6),
    addressHash: content.toString('hex', 23, MESSAGE_BYTES),
  };
  if (content[0] === VERSIONS.withoutTopic) return content.length === MESSAGE_BYTES ? message : undefined;
  const [kind, tenantId, topic] = content.toString('latin1', MESSAGE_BYTES).split(BETWEEN);
  if (content[0] !== VERSIONS.withTopic || tenantId === undefined || topic === undefined) return undefined;
  return { ...message, from: { tenantId, topic, isMarketing: kind === 'm' } };
}

function sign(content: Buffer, secret: string): Buffer {
  return createHmac('sha256', secret).update('unsubscribe ').update(content).digest().subarray(0, SIGNATURE_BYTES);
}
