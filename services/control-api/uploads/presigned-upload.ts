/** A presigned URL as replies show it: what to send, and until when. */
import { z } from 'zod';
import { UPLOAD_URL_SECONDS } from '#shared/api/uploads.ts';
import type { PresignedRequest } from '#shared/files/sent-uploads.ts';

export const presignedUploadSchema = z
  .object({
    url: z.string().describe('For one object, for 15 minutes.'),
    method: z.literal('PUT'),
    headers: z.record(z.string(), z.string()).describe('To be sent as they are.'),
    expires_at: z.string(),
  })
  .meta({ id: 'PresignedUpload' });

export function presignedUpload({ url, headers }: PresignedRequest): z.input<typeof presignedUploadSchema> {
  const expiresAt = new Date(Date.now() + UPLOAD_URL_SECONDS * 1_000).toISOString();
  return { url, method: 'PUT', headers: { ...headers }, expires_at: expiresAt };
}
