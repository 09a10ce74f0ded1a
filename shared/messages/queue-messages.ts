/** Which messages each queue carries. */

import type { MessageDefinition } from '#shared/queue/define-message.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import { LANDING_EVENTS, MAIL_EVENTS } from './landing-events.ts';
import { fileArchiveDue, fileSettled, jobDue, pullDue, recordsDue, sourceDue } from './wake-ups.ts';

export const JOB_MESSAGES = [jobDue, fileArchiveDue] as const;
export const WORK_MESSAGES = [...JOB_MESSAGES, pullDue, sourceDue] as const;
export const PARTNER_STEPS_MESSAGES = [...JOB_MESSAGES, recordsDue] as const;

export const QUEUE_MESSAGES = {
  landing: LANDING_EVENTS,
  'landing-overflow': LANDING_EVENTS,
  ingest: [fileSettled],
  work: WORK_MESSAGES,
  'platinum-work': WORK_MESSAGES,
  'partner-steps': PARTNER_STEPS_MESSAGES,
  'platinum-steps': PARTNER_STEPS_MESSAGES,
  'bronze-steps': PARTNER_STEPS_MESSAGES,
  'mail-events': MAIL_EVENTS,
} as const satisfies Record<QueueId, readonly MessageDefinition[]>;
