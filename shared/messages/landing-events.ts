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
  'session-id': z.string().max(200).optional(),
  'server-id': z.string().max(200).optional(),
  'client-ip': z.string().max(100).optional(),
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
    detail: z.object({
      ...transferred,
      'original-file-path': z.string().max(1_200).optional(),
      'renamed-file-path': filePath,
    }),
  }),
});

/** What says nothing about arrivals, and much about who did what in a session. */
function sessionEvent<const Name extends `SFTP Server ${string}`>(name: Name) {
  return defineExternalMessage({
    name,
    accepts: (body) => body.source === 'aws.transfer' && body['detail-type'] === name,
    schema: z.object({
      ...envelope,
      detail: z.object({
        ...transferred,
        bytes: sizeBytes.optional(),
        'failure-message': z.string().max(2_000).optional(),
        'file-path': z.string().max(1_200).optional(),
        'directory-path': z.string().max(1_200).optional(),
        'original-file-path': z.string().max(1_200).optional(),
        'renamed-file-path': z.string().max(1_200).optional(),
      }),
    }),
  });
}

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
  sessionEvent('SFTP Server File Rename Failed'),
  sessionEvent('SFTP Server File Download Completed'),
  sessionEvent('SFTP Server File Download Failed'),
  sessionEvent('SFTP Server File Delete Completed'),
  sessionEvent('SFTP Server File Delete Failed'),
  sessionEvent('SFTP Server Directory Create Completed'),
  sessionEvent('SFTP Server Directory Create Failed'),
  sessionEvent('SFTP Server Directory Delete Completed'),
  sessionEvent('SFTP Server Directory Delete Failed'),
  mailEvent,
  otherEvent,
] as const;
/** Its rule lets nothing else in: what does not fit is set aside for a person. */
export const MAIL_EVENTS = [mailEvent] as const;

export type LandingEvent = MessageOf<(typeof LANDING_EVENTS)[number]>;
/** What an SFTP server reports of a session. */
export type SftpEvent = Extract<LandingEvent, { type: `SFTP Server ${string}` }>;

export function isSftpEvent(event: { readonly type: string }): event is SftpEvent {
  return event.type.startsWith('SFTP Server ');
}
