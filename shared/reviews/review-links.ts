/**
 * Signed links by which somebody releases or rejects a held file, without a key: from a notice to the page of the control API.
 *
 * A link is for one job, holds for two days (the notice comes again each day), and names the channel that it was sent to: the audit then
 * says through whom it went. Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { parseJson } from '#shared/text/parse-json.ts';

export interface ReviewLink {
  readonly jobId: string;
  /** `<tenant>/<channel>`, or `<tenant>/<route>/<channel>`. */
  readonly channel: string;
}

export const LINK_MS = 2 * 86_400_000;

const contentSchema = z.tuple([z.uuid(), z.string().max(400), z.int()]);

export function writeReviewUrl(
  { jobId, channel }: ReviewLink,
  { publicUrl, secret, nowMs }: { readonly publicUrl: string; readonly secret: string; readonly nowMs: number },
): string {
  const content = Buffer.from(JSON.stringify([jobId, channel, nowMs + LINK_MS])).toString('base64url');
  return `${publicUrl.replace(/\/+$/, '')}/review?link=${content}.${sign(content, secret)}`;
}

/** Undefined: forged, altered or expired; signed by none of the keys. */
export function readReviewLink(link: string, keys: readonly string[], nowMs: number): ReviewLink | undefined {
  const [content = '', signature = '', ...rest] = link.split('.');
  const given = Buffer.from(signature);
  const isBy = (key: string): boolean => {
    const expected = Buffer.from(sign(content, key));
    return given.length === expected.length && timingSafeEqual(given, expected);
  };
  if (rest.length > 0 || !keys.some(isBy)) return undefined;
  const parsed = contentSchema.safeParse(parseJson(Buffer.from(content, 'base64url').toString()));
  if (!parsed.success || parsed.data[2] <= nowMs) return undefined;
  const [jobId, channel] = parsed.data;
  return { jobId, channel };
}

function sign(content: string, secret: string): string {
  return createHmac('sha256', secret).update(`review ${content}`).digest('base64url');
}
