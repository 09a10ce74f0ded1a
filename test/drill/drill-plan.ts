/** What is processed in a drill, and the clocks of its homes. */
import { definitions, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';

export const TENANTS = ['acme', 'globex'] as const;

export const SMALL_BYTES = 16_384;
/** Copied by the large-file-worker, in parts. */
export const LARGE_BYTES = 16 * 1_024 * 1_024;
const LARGE_THRESHOLD_BYTES = 8 * 1_024 * 1_024;
export const SMALL_FILES_PER_RECORD_FILE = 12;
export const RECORDS_PER_FILE = 20;

/** Short: a drill does not wait out the times that suit a real fleet. What they are there is on the page of the drill. */
export const DRILL_VARIABLES = {
  LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: String(LARGE_THRESHOLD_BYTES),
  LONGSHORE_LEASE_MS: '5000',
  LONGSHORE_SWEEP_COUNT_MS: '1000',
  LONGSHORE_SWEEP_GRACE_MS: '2000',
  LONGSHORE_SWEEP_BOUND_MS: '10000',
  LONGSHORE_RECONCILE_MS: '2000',
  LONGSHORE_RECONCILE_MIN_AGE_MS: '3000',
  LONGSHORE_SFTP_QUIET_MS: '3000',
  LONGSHORE_REPLICA_LOOK_MS: '2000',
};

/** Fails none of the files for its own reasons: what is missing after a failover fails as missing. */
const PATIENT = { maxAttempts: 5, firstDelay: '200ms', maxDelay: '1s' };
/** `api` is what the partner's ledger calls the operation. */
export const CALLS = [
  { operation: 'redeem-keyed', api: 'coupon-redemption', code: 'KEYED_ERROR' },
  { operation: 'redeem-unkeyed', api: 'unkeyed-redemption', code: 'UNKEYED_ERROR' },
];
/** So that there are always calls under way. */
export const PARTNER_BEHAVIOUR = { latencies: [{ api: '*', fromMs: 20, toMs: 200 }] } as const;

export function drillDefinitions(partnerUrl: string): string {
  return definitions(
    ...TENANTS.flatMap((tenant) => [
      {
        kind: 'route',
        tenant,
        name: 'copies',
        match: { path: ['small/**', 'large/**'] },
        retry: PATIENT,
        steps: [{ stage: {} }, { deliver: {} }, { confirm: {} }],
      },
      testPartner({ tenant, name: 'desk', baseUrl: partnerUrl, limits: { concurrency: 4 } }),
      testRoute({
        tenant,
        name: 'redemptions',
        partner: 'desk',
        retry: PATIENT,
        calls: CALLS.map(({ operation, code }) => ({ operation, code })),
      }),
    ]),
  );
}
