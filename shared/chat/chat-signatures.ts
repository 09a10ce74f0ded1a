/**
 * Whether a request comes from Slack or Teams. Pure, but for the secret that is given.
 *
 * Slack: https://docs.slack.dev/authentication/verifying-requests-from-slack (v0: HMAC-SHA256 over `v0:<timestamp>:<body>`, 5 minutes).
 * Teams: HMAC-SHA256 over the body, keyed with the security token of the outgoing webhook, which is base64
 * (https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook).
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Older requests are refused; younger ones are remembered, so that none counts twice. */
export const OLDEST_MS = 300_000;

export interface SignedRequest {
  /** As it came: a body that was parsed and written again has another signature. */
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Headers that Slack sends. */
export function signForSlack(body: string, secret: string, nowMs: number): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  return { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': slackSignature(body, secret, timestamp) };
}

/** The header that Teams sends. */
export function signForTeams(body: string | Buffer, token: string): Record<string, string> {
  const digest = createHmac('sha256', Buffer.from(token, 'base64')).update(body).digest('base64');
  return { authorization: `HMAC ${digest}` };
}

export function isFromSlack({ body, headers }: SignedRequest, secret: string, nowMs: number): boolean {
  const timestamp = headers['x-slack-request-timestamp'];
  if (typeof timestamp !== 'string' || !/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(nowMs - Number(timestamp) * 1_000) > OLDEST_MS) return false;
  return isSame(headers['x-slack-signature'], slackSignature(body, secret, timestamp));
}

export function isFromTeams({ body, headers }: SignedRequest, token: string): boolean {
  return isSame(headers.authorization, signForTeams(body, token).authorization ?? '');
}

function slackSignature(body: string | Buffer, secret: string, timestamp: string): string {
  return `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest('hex')}`;
}

function isSame(given: string | readonly string[] | undefined, expected: string): boolean {
  if (typeof given !== 'string' || given.length !== expected.length) return false;
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
