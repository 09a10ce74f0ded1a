/** What a drill came to: its times, what was counted in each phase, and what it did not show. */
import type { UnreplicatedVersion } from '#local/s3/replication-queue.ts';
import type { Violation } from '#testkit/checks/find-row-violations.ts';
import type { DrillOutcome } from './count-outcome.ts';

export interface DrillTimes {
  /** From the loss until the name led to the other home. */
  readonly nameMs: number;
  /** Until an upload was acknowledged there. */
  readonly uploadMs: number;
  /** Until its services were ready. */
  readonly promotedMs: number;
  /** Until it completed a file. */
  readonly completedMs: number;
  /** On the way back: from the end of the last service at the one to the first completed file at the other. */
  readonly wayBackMs: number;
}

export interface DrillReport {
  readonly times: DrillTimes;
  /** Between the last transaction that reached the standby and the loss. */
  readonly databaseRpoMs: number;
  /** Age of the oldest object that had not reached the standby; 0 when all had. */
  readonly objectRpoMs: number;
  readonly unreplicated: readonly UnreplicatedVersion[];
  readonly resent: number;
  readonly afterFailover: DrillOutcome;
  readonly afterReturn: DrillOutcome;
  /** Files that waited for an object that had not been copied. */
  readonly awaited: number;
  readonly replayed: { readonly events: number; readonly deadLetters: number };
  readonly afterReplay: DrillOutcome;
  readonly afterWayBack: DrillOutcome;
  /** What the returned home was, and that it refused to write. */
  readonly fenced: {
    readonly role: string;
    readonly setAside: boolean;
    readonly services: number;
    readonly refusal: string;
  };
  readonly violations: readonly Violation[];
  /** What it did not show: empty when it is good. */
  readonly faults: readonly string[];
}
