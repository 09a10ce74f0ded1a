/**
 * What EventBridge puts into `landing`, as far as it is read: Amazon S3's "Object Created" ("EventBridge event message structure")
 * and AWS Transfer Family's SFTP events ("SFTP, FTPS, and FTP server events").
 *
 * Any other event of EventBridge's form is one too: a rule may send more than is asked for, and that is no reason for a dead letter.
 */
import { z } from 'zod';
import { defineExternalMessage, type MessageOf } from '#shared/queue/define-message.ts';
import { mailEvent } from './mail-events.ts';

const envelope = { id: z.string().max(200).optional(), time: z.iso.datetime({ offset: true }) };
const etag = z.string().min(1).max(200);
const key = z.string().min(1).max(1_024);
const sizeBytes = z.number().int().nonnegative();

const objectCreated = defineExternalMessage({
  name: 'Object Created',
  accepts: (body) => body.source === 'aws.s3' && body['detail-type'] === 'Object Created',
  schema: z.object({
    ...envelope,
    detail: z.object({
      bucket: z.object({ name: z.string().min(1) }),
      object: z.object({
        key,
        size: sizeBytes.default(0),
        etag,
        'version-id': z.string().min(1).max(1_024).optional(),
        /** Orders the events of one key; hexadecimal, compared as text after padding (Amazon S3, "Event message structure"). */
        sequencer: z
          .string()
          .regex(/^[0-9a-f]{1,64}$/i)
          .optional()
          .catch(undefined),
      }),
    }),
  }),
});

const transferred = {
  'start-timestamp': z.iso.datetime({ offset: true }).optional(),
  'end-timestamp': z.iso.datetime({ offset: true }).optional(),
  username: z.string().max(200).optional(),
};

/** `/bucket/key`. */
const filePath = z.string().regex(/^\/[^/]+\/.+$/s, 'must be /bucket/key');

const uploadCompleted = defineExternalMessage({
  name: 'SFTP Server File Upload Completed',
  accepts: (body) => body.source === 'aws.transfer' && body['detail-type'] === 'SFTP Server File Upload Completed',
  schema: z.object({
    ...envelope,
    detail: z.object({
      ...transferred,
      bytes: sizeBytes.optional(),
      etag: etag.optional(),
      'file-path': filePath,
    }),
  }),
});

const uploadFailed = defineExternalMessage({
  name: 'SFTP Server File Upload Failed',
  accepts: (body) => body.source === 'aws.transfer' && body['detail-type'] === 'SFTP Server File Upload Failed',
  schema: z.object({
    ...envelope,
    detail: z.object({
      ...transferred,
      bytes: sizeBytes.optional(),
      etag: etag.optional(),
      'failure-message': z.string().max(2_000).optional(),
      'file-path': filePath,
    }),
  }),
});

const renameCompleted = defineExternalMessage({
  name: 'SFTP Server File Rename Completed',
  accepts: (body) => body.source === 'aws.transfer' && body['detail-type'] === 'SFTP Server File Rename Completed',
  schema: z.object({
    ...envelope,
    detail: z.object({ ...transferred, 'renamed-file-path': filePath }),
  }),
});

/** Last in the list: what the others do not take. */
const otherEvent = defineExternalMessage({
  name: 'other',
  accepts: (body) => typeof body.source === 'string' && typeof body['detail-type'] === 'string',
  schema: z.object({ source: z.string(), 'detail-type': z.string() }),
});

export const LANDING_EVENTS = [
  objectCreated,
  uploadCompleted,
  uploadFailed,
  renameCompleted,
  mailEvent,
  otherEvent,
] as const;
/** Its rule lets nothing else in: what does not fit is set aside for a person. */
export const MAIL_EVENTS = [mailEvent] as const;

export type LandingEvent = MessageOf<(typeof LANDING_EVENTS)[number]>;
