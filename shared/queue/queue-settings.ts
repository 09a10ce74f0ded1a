/** The attributes of every queue, for the server of one machine and for AWS alike. Pure data. */
import type { QueueId } from '#shared/runtime/config/resource-names.ts';

export interface QueueSettings {
  /**
   * How long a message stays hidden after a crash before another worker gets it. Workers extend it by heartbeats, so it says nothing
   * about how long the work may take.
   */
  readonly visibilityTimeoutSeconds: number;
  readonly retentionSeconds: number;
}

const FOUR_DAYS_SECONDS = 4 * 86_400;

export const QUEUE_SETTINGS: Readonly<Record<QueueId, QueueSettings>> = {
  landing: { visibilityTimeoutSeconds: 30, retentionSeconds: FOUR_DAYS_SECONDS },
  'landing-overflow': { visibilityTimeoutSeconds: 30, retentionSeconds: FOUR_DAYS_SECONDS },
  ingest: { visibilityTimeoutSeconds: 30, retentionSeconds: FOUR_DAYS_SECONDS },
  work: { visibilityTimeoutSeconds: 60, retentionSeconds: FOUR_DAYS_SECONDS },
  'platinum-work': { visibilityTimeoutSeconds: 60, retentionSeconds: FOUR_DAYS_SECONDS },
  'partner-steps': { visibilityTimeoutSeconds: 60, retentionSeconds: FOUR_DAYS_SECONDS },
  'platinum-steps': { visibilityTimeoutSeconds: 60, retentionSeconds: FOUR_DAYS_SECONDS },
  'bronze-steps': { visibilityTimeoutSeconds: 60, retentionSeconds: FOUR_DAYS_SECONDS },
  'mail-events': { visibilityTimeoutSeconds: 30, retentionSeconds: FOUR_DAYS_SECONDS },
};

/** 14 days, the most SQS allows: on a standard queue the time spent in the source queue counts too. */
export const DEAD_LETTER_SETTINGS: QueueSettings = { visibilityTimeoutSeconds: 60, retentionSeconds: 14 * 86_400 };
