/** What must never be in a partner's ledger, whatever was killed or failed: empty when all is well. */
import type { LedgerCall } from './call-ledger.ts';
import type { ApiName } from './partner-apis.ts';

/** Each API's predecessor in the walk of a record. */
const PREDECESSORS: Readonly<Partial<Record<ApiName, ApiName>>> = {
  assignments: 'validation',
  'coupon-verification': 'assignments',
};

/**
 * - no effect twice for one idempotency key, nor for one record at an API that has no keys;
 * - no call of a step whose record had no success at the step before, by then.
 */
export function findLedgerViolations(calls: readonly LedgerCall[]): string[] {
  const violations: string[] = [];
  const effects = new Set<string>();
  const successes = new Set<string>();
  for (const { seq, api, record, idempotencyKey, effect, outcome } of calls) {
    if (effect === 'made') {
      const name = `${api} ${idempotencyKey === undefined ? `of record ${record}` : `with key ${idempotencyKey}`}`;
      if (effects.has(name)) violations.push(`call ${seq}: ${name} had its effect a second time`);
      effects.add(name);
    }
    const predecessor = PREDECESSORS[api];
    if (predecessor !== undefined && !successes.has(`${predecessor}\0${record}`)) {
      violations.push(`call ${seq}: ${api} of record ${record} without a success of ${predecessor}`);
    }
    if (outcome === 'accepted') successes.add(`${api}\0${record}`);
  }
  return violations;
}
