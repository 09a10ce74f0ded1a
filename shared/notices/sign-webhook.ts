/** The headers by which a receiver knows that a notice is ours, fresh, and whether it had it before. */
import { createHmac } from 'node:crypto';

export const NOTICE_ID_HEADER = 'longshore-notice-id';
const TIMESTAMP_HEADER = 'longshore-timestamp';
const SIGNATURE_HEADER = 'longshore-signature';

export interface WebhookSignature {
  readonly id: string;
  readonly body: string;
  readonly secret: string;
  readonly now: Date;
}

/** HMAC-SHA256 over `<timestamp>.<body>`, hexadecimal; the timestamp in seconds since 1970. Made anew for each try, the id is not. */
export function signWebhook({ id, body, secret, now }: WebhookSignature): Record<string, string> {
  const timestamp = String(Math.floor(now.getTime() / 1_000));
  const digest = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  return { [NOTICE_ID_HEADER]: id, [TIMESTAMP_HEADER]: timestamp, [SIGNATURE_HEADER]: `v1=${digest}` };
}
