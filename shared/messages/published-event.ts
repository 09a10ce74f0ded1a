/**
 * What leaves Longshore on the topics `events`, `success` and `failure`. `docs/reference/event.v1.schema.json` is made from this schema.
 *
 * Delivery is at least once: a repeat carries the same `id`. Fields may be added within a version; subscribers ignore unknown ones.
 */
import { z } from 'zod';

export const EVENT_TYPES = [
  'file.uploaded',
  'file.queued',
  'file.routed',
  'file.quarantined',
  'file.companion',
  'file.archived',
  'file.archive-retrying',
  'file.archive-lost',
  'file.completed',
  'file.failed',
  'job.reopened',
  'job.succeeded',
  'job.failed',
  'job.cancelled',
  'job.skipped',
  'job.held',
  'job.released',
  'step.succeeded',
  'step.retrying',
  'step.waiting',
  'dead-letter.parked',
  'dead-letter.redriven',
  'dead-letter.discarded',
  'notice.parked',
  'notice.retried',
  'tenant.applied',
  'tenant.disabled',
  'tenant.enabled',
  'partner.applied',
  'store.applied',
  'route.applied',
  'route.disabled',
  'route.enabled',
  'sftp-user.applied',
  'sftp-user.removed',
  'sftp-user.disabled',
  'sftp-user.enabled',
  'api-key.created',
  'api-key.rotated',
  'api-key.revoked',
] as const;

export const publishedEvent = z.object({
  id: z.uuid().describe('Stable id of the event; a repeated delivery carries the same one.'),
  version: z.literal(1),
  type: z.enum(EVENT_TYPES),
  time: z.iso.datetime({ offset: true }).describe('When it was committed, by the database’s clock.'),
  tenantId: z.string(),
  fileId: z.uuid().optional(),
  jobId: z.uuid().optional(),
  actor: z.string().describe('The service or the operator that did it.'),
  data: z.record(z.string(), z.unknown()).describe('What belongs to the type, see docs/reference/events.md.'),
});
