/** Uploads and downloads: what the API takes and answers. */
import { z } from 'zod';

/** The most that S3 keeps as one object. */
export const MOST_UPLOAD_BYTES = 5 * 1024 ** 4;
export const MOST_URLS = 20;
export const UPLOAD_URL_SECONDS = 900;
export const DOWNLOAD_URL_SECONDS = 60;

/** Of eight bytes, in base64. */
export const crc64Field = z
  .string()
  .regex(/^[A-Za-z0-9+/]{11}=$/, 'is not a CRC64NVME in base64')
  .describe('CRC64NVME in base64, big-endian, as S3 has it.');

export const uploadStateSchema = z.enum(['open', 'completing', 'completed', 'aborted']);

export const uploadSchema = z
  .object({
    upload_id: z.string(),
    state: uploadStateSchema,
    tenant: z.string(),
    path: z.string().describe('In the tenant’s home.'),
    size: z.number().nullable(),
    part_size: z.number().nullable().describe('Of every part but the last; null: sent as one body.'),
    parts: z.number().nullable(),
    missing: z
      .array(z.number())
      .nullable()
      .describe('Numbers of all parts that the store does not have; null once it has ended.'),
    expires_at: z.string().describe('After this the upload is aborted.'),
    file_id: z.string().nullable().describe('Once it is completed and registered.'),
    file_status: z.string().nullable(),
    code: z.string().nullable().describe('Why it was aborted.'),
  })
  .meta({ id: 'Upload' });

export const partUrlSchema = z.object({
  part: z.number(),
  url: z.string().describe('For one PUT of this part, for 15 minutes.'),
  size: z.number(),
  headers: z.record(z.string(), z.string()).describe('To be sent as they are.'),
});

export const sentFileSchema = z
  .object({
    upload_id: z.string(),
    tenant: z.string(),
    path: z.string(),
    size: z.number(),
    sha256: z.string().nullable().describe('Hex, of the bytes that arrived; null in a repeated answer.'),
    file_id: z.string().nullable().describe('Null for the moment in which it is registered; GET the upload for it.'),
    status: z.string().nullable(),
  })
  .meta({ id: 'SentFile' });

export const DOWNLOADS = ['original', 'delivered', 'results', 'rejects'] as const;

export type Upload = z.infer<typeof uploadSchema>;
export type PartUrl = z.infer<typeof partUrlSchema>;
export type SentFile = z.infer<typeof sentFileSchema>;
