/** The partner's APIs: where they are, and how each words a success and a business failure. They differ, as real ones do. */

export const API_NAMES = [
  'validation',
  'assignments',
  'coupon-verification',
  'coupon-redemption',
  'unkeyed-redemption',
] as const;
export type ApiName = (typeof API_NAMES)[number];

export interface ApiReply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface PartnerApi {
  readonly name: ApiName;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** A call changes something at the partner: a second one would change it twice. */
  readonly hasEffect: boolean;
  /** A repeated `Idempotency-Key` is answered with the first reply and changes nothing. */
  readonly knowsKeys: boolean;
  accept(reference: number): ApiReply;
  reject(isFinal: boolean): ApiReply;
}

export const PARTNER_APIS: readonly PartnerApi[] = [
  {
    name: 'validation',
    method: 'POST',
    path: '/validation',
    hasEffect: false,
    knowsKeys: false,
    accept: (reference) => ({ status: 200, body: { status: 'VALID', reference: `VAL-${reference}` } }),
    reject: (isFinal) => ({
      status: 422,
      body: { status: 'INVALID', code: 'V042', message: 'The record is not valid.', final: isFinal },
    }),
  },
  {
    name: 'assignments',
    method: 'GET',
    path: '/assignments',
    hasEffect: false,
    knowsKeys: false,
    accept: (reference) => ({
      status: 200,
      body: { status: 'OK', reference: `ASG-${reference}`, assignments: [{ id: `A-${reference}`, active: true }] },
    }),
    reject: (isFinal) => ({
      status: 200,
      body: { status: 'ERROR', code: 'A017', message: 'There is no assignment.', final: isFinal },
    }),
  },
  {
    name: 'coupon-verification',
    method: 'POST',
    path: '/baec/coupon-verifications',
    hasEffect: false,
    knowsKeys: false,
    accept: (reference) => ({ status: 200, body: { verified: true, reference: `CPN-${reference}` } }),
    reject: (isFinal) => ({
      status: 200,
      body: { verified: false, code: 'C009', message: 'The coupon is not known.', final: isFinal },
    }),
  },
  redemption({ name: 'coupon-redemption', path: '/coupon-redemptions', knowsKeys: true }),
  redemption({ name: 'unkeyed-redemption', path: '/unkeyed-redemptions', knowsKeys: false }),
];

function redemption(facts: Pick<PartnerApi, 'name' | 'path' | 'knowsKeys'>): PartnerApi {
  return {
    ...facts,
    method: 'POST',
    hasEffect: true,
    accept: (reference) => ({ status: 201, body: { redeemed: true, reference: `RDM-${reference}` } }),
    reject: (isFinal) => ({
      status: 409,
      body: { redeemed: false, code: 'R003', message: 'The coupon cannot be redeemed.', final: isFinal },
    }),
  };
}
