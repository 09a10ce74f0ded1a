/**
 * What one task of each queue service does, and how long what it serves may wait: the ground of every scaling target.
 *
 * The partner-worker's numbers are those of `npm run bench`; the others are estimates on the safe side (`isMeasured`).
 */
import type { ServiceCapacity } from './scaling-policy.ts';

export type ScaledService = 'ingestor' | 'router' | 'partner-worker' | 'large-file-worker';

export interface ServiceObjective {
  readonly capacity: ServiceCapacity;
  /** A backlog that is cleared within this time is none. */
  readonly wantedLatencySeconds: number;
  /** The second signal. */
  readonly oldestAgeSeconds: number;
}

export const SERVICE_OBJECTIVES: Readonly<Record<ScaledService, ServiceObjective>> = {
  ingestor: {
    // Set-based: one statement for a batch of events.
    capacity: { cpuMsPerMessage: 2, mostPerSecond: 400, isMeasured: false },
    wantedLatencySeconds: 5,
    oldestAgeSeconds: 15,
  },
  router: {
    capacity: { cpuMsPerMessage: 2, mostPerSecond: 300, isMeasured: false },
    wantedLatencySeconds: 5,
    oldestAgeSeconds: 15,
  },
  'partner-worker': {
    capacity: { cpuMsPerMessage: 4.8, mostPerSecond: 135, isMeasured: true },
    wantedLatencySeconds: 10,
    oldestAgeSeconds: 20,
  },
  'large-file-worker': {
    // Four copies side by side, some 20 s each: S3 moves the bytes.
    capacity: { cpuMsPerMessage: 500, mostPerSecond: 0.2, isMeasured: false },
    wantedLatencySeconds: 60,
    oldestAgeSeconds: 120,
  },
};
