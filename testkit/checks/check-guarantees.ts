/**
 * Longshore's guarantees, checked on a whole fleet at rest: its tables, its buckets, its queues, what subscribers were told, and what the
 * partner of records saw.
 *
 * An empty answer is the proof. What the queues still hold is waited for, because a message whose receiver was killed stays hidden
 * for its visibility timeout; everything else is as it is.
 */

import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { findBucketViolations, type KnownFile } from './find-bucket-violations.ts';
import { findMessageViolations } from './find-message-violations.ts';
import { findNoticeViolations } from './find-notice-violations.ts';
import { findRecordViolations } from './find-record-violations.ts';
import { findRowViolations, type Violation } from './find-row-violations.ts';

export interface CheckGuaranteesOptions {
  /** Files whose bytes the test knows, by their key in the landing bucket. All others are compared with their archive copy. */
  readonly known?: ReadonlyMap<string, KnownFile>;
  /** Keys that stay in landing by right: names that wait for their rename. */
  readonly staying?: ReadonlySet<string>;
  /** For messages that a killed receiver had hidden. */
  readonly queuesTimeoutMs?: number;
}

const QUEUES_TIMEOUT_MS = 60_000;

export async function checkGuarantees(fleet: TestFleet, options: CheckGuaranteesOptions = {}): Promise<Violation[]> {
  const inQueues = await findMessageViolations(fleet, options.queuesTimeoutMs ?? QUEUES_TIMEOUT_MS);
  const inRows = await findRowViolations(fleet.sql, { isAtRest: true, hasManyRows: true });
  const inBuckets = await findBucketViolations(fleet, { known: new Map(), staying: new Set(), ...options });
  const inNotices = await findNoticeViolations(fleet);
  const inRecords = await findRecordViolations(fleet);
  return [...inQueues, ...inRows, ...inBuckets, ...inNotices, ...inRecords];
}
