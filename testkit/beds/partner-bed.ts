/** The three APIs and two redemptions as a partner's definition has them. */
import { parse } from 'yaml';
import { type PartnerDocument, partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';

const YAML = `
kind: partner
tenant: acme
name: rfi
baseUrl: https://api.partner.example/v1
operations:
  validate:
    method: POST
    path: /validation
    body: { recordKey: "{{ record.key }}", amount: "{{ record.amount }}", text: "{{ record.name | strip | upcase }}!" }
    idempotent: true
    judge:
      - { when: { status: 200, body: { status: VALID } }, is: success }
      - { when: { body: { status: INVALID, final: true } }, is: business-failure, final: true, codeFrom: code, messageFrom: message }
      - { when: { body: { status: INVALID } }, is: business-failure, codeFrom: code, messageFrom: message }
    output: { reference: reference }
    referenceFrom: reference
  assignments:
    method: GET
    path: /assignments
    query: { recordKey: "{{ record.key }}", after: "{{ replies.validate.reference }}" }
    idempotent: true
    judge:
      - { when: { status: 200, body: { status: OK } }, is: success }
      - { when: { status: 200, body: { status: ERROR } }, is: business-failure, codeFrom: code, cause: NO_ASSIGNMENT }
    output: { assignment: assignments.0.id, active: assignments.0.active }
  redeem:
    method: POST
    path: /coupon-redemptions
    body: { recordKey: "{{ record.key }}" }
    idempotent: false
    idempotencyHeader: Idempotency-Key
    output: { reference: reference }
  redeem-unkeyed:
    method: POST
    path: /unkeyed-redemptions
    body: { recordKey: "{{ record.key }}", m: "{{ record.magic }}" }
    idempotent: false
    judge:
      - { when: { status: 2xx, body: { redeemed: true } }, is: success }
      - { when: { status: 503, body: { code: [BUSY, CLOSED] } }, is: retryable, codeFrom: code }
      - { when: { status: 502 }, is: ambiguous, cause: MAYBE }
`;

/** Merged over the example, top level only. */
export function examplePartner(changes: Record<string, unknown> = {}): PartnerDocument {
  return partnerDocumentSchema.parse({ ...(parse(YAML) as object), ...changes });
}
