/**
 * Definitions of partners and record routes for tests, whose records are CSV rows `id,remark`: the partner knows a record by its id, and
 * its remark may ask for faults (`local/partner-simulator/README.md`).
 */
import { stringify } from 'yaml';

export interface TestPartner {
  readonly tenant: string;
  readonly name: string;
  readonly baseUrl: string;
  /** Anything that a partner's document may have, over what is here. */
  readonly [option: string]: unknown;
}

export interface TestRoute {
  readonly tenant: string;
  /** Its files are in the directory of this name. */
  readonly name: string;
  readonly partner: string;
  readonly calls?: readonly TestCall[];
  readonly records?: Readonly<Record<string, unknown>>;
  readonly retry?: Readonly<Record<string, unknown>>;
  readonly after?: readonly unknown[];
}

export interface TestCall {
  readonly operation: string;
  readonly code: string;
}

export const THREE_CALLS: readonly TestCall[] = [
  { operation: 'validate', code: 'VALIDATION_ERROR' },
  { operation: 'list-assignments', code: 'ASSIGNMENTS_ERROR' },
  { operation: 'verify-coupon', code: 'VERIFICATION_ERROR' },
];

const VALUES = { recordKey: '{{ record.id }}', remark: '{{ record.remark }}' };
const TOLD = { codeFrom: 'code', messageFrom: 'message' };

/** One answer is good, one says no, one says no for good. */
function judge(success: object, failure: { readonly status: number; readonly body: object }) {
  const { status, body } = failure;
  return [
    { when: success, is: 'success' },
    { when: { status, body: { ...body, final: true } }, is: 'business-failure', final: true, ...TOLD },
    { when: { status, body }, is: 'business-failure', ...TOLD },
  ];
}

const OPERATIONS = {
  validate: {
    method: 'POST',
    path: '/validation',
    idempotent: true,
    body: VALUES,
    judge: judge({ status: 200, body: { status: 'VALID' } }, { status: 422, body: { status: 'INVALID' } }),
    output: { reference: 'reference' },
    referenceFrom: 'reference',
  },
  'list-assignments': {
    method: 'GET',
    path: '/assignments',
    idempotent: true,
    query: VALUES,
    judge: judge({ status: 200, body: { status: 'OK' } }, { status: 200, body: { status: 'ERROR' } }),
    output: { assignment: 'assignments.0.id' },
    referenceFrom: 'reference',
  },
  'verify-coupon': {
    method: 'POST',
    path: '/baec/coupon-verifications',
    idempotent: true,
    body: VALUES,
    judge: judge({ status: 200, body: { verified: true } }, { status: 200, body: { verified: false } }),
    referenceFrom: 'reference',
  },
  'redeem-keyed': redemption('/coupon-redemptions', { idempotencyHeader: 'Idempotency-Key' }),
  'redeem-unkeyed': redemption('/unkeyed-redemptions'),
};

function redemption(path: string, options: object = {}) {
  return {
    method: 'POST',
    path,
    idempotent: false,
    ...options,
    body: VALUES,
    judge: judge({ status: 201, body: { redeemed: true } }, { status: 409, body: { redeemed: false } }),
    referenceFrom: 'reference',
  };
}

export function testPartner(options: TestPartner): object {
  return { kind: 'partner', timeout: '5s', operations: OPERATIONS, ...options };
}

export function testRoute({
  tenant,
  name,
  partner,
  calls = THREE_CALLS,
  records,
  retry,
  after = [],
}: TestRoute): object {
  return {
    kind: 'route',
    tenant,
    name,
    match: { path: [`${name}/*`] },
    retry: { maxSweeps: 3, firstDelay: '100ms', maxDelay: '400ms', ...retry },
    records: {
      format: 'csv',
      businessKey: ['id'],
      columns: [{ name: 'id', required: true, maxLength: 40 }, { name: 'remark' }],
      ...records,
    },
    steps: [{ parse: {} }, ...calls.map((call) => ({ call: { partner, ...call } })), ...after],
  };
}

export function definitions(...documents: readonly object[]): string {
  return documents.map((document) => stringify(document)).join('---\n');
}

export function recordsCsv(rows: readonly (readonly [id: string, remark?: string])[]): string {
  return ['id,remark', ...rows.map(([id, remark = '']) => `${id},"${remark}"`), ''].join('\n');
}
