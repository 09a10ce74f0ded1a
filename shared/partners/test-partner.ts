/**
 * One call of a partner by a person, to see whether it answers: of an operation whose definition says how it is tested.
 *
 * 1. Only what may be repeated is called, with the values of the definition: a test has no effect and sends nobody's data.
 * 2. It is made as workers make calls: the same addresses, the tenant's own secrets, and out of the same rate. It is also made while the
 *    partner is paused or a breaker is open, which is when it is needed, and counts for no breaker.
 * 3. One test of a partner in `APART_MS`, over the fleet. It is in the audit before it is made.
 * 4. What the partner replies is not shown: its status, what that means to the definition, and the time it took are.
 *
 * Event: `partner.tested`.
 */
import { randomUUIDv7 } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { Sql } from '#shared/db/connect-database.ts';
import { type PartnerDocument, partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { type CallOutcome, createPartnerCaller } from './call-partner.ts';
import type { PartnerName } from './control-partner.ts';
import { leaseRateSlice } from './lease-rate-slice.ts';
import type { Scalar } from './value-path.ts';

export interface TestPartnerOptions {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
}

export interface TestPartner extends PartnerName {
  /** The first that has a test when absent. */
  readonly operation?: string | undefined;
  readonly actor: string;
}

export type PartnerTested =
  | { readonly type: 'absent' | 'unusable' | 'no-test' }
  | { readonly type: 'too-soon'; readonly afterMs: number }
  | {
      readonly type: 'tested';
      readonly operation: string;
      readonly requestId: string;
      readonly outcome: CallOutcome;
      readonly tookMs: number;
    };

const APART_MS = 5_000;
/** For a token, for the call, and for its turn before them: together less than what an answer of the API may take. */
const LONGEST_MS = 5_000;
const LONGEST_TURN_MS = 4_000;

export async function testPartner(
  { sql, secrets, addressGuard }: TestPartnerOptions,
  { tenantId, name, operation: wanted, actor }: TestPartner,
  signal: AbortSignal,
): Promise<PartnerTested> {
  const [row] = await sql<{ definition: unknown }[]>`
    SELECT definition FROM partners WHERE tenant_id = ${tenantId} AND name = ${name} AND removed_at IS NULL`;
  if (row === undefined) return { type: 'absent' };
  const parsed = partnerDocumentSchema.safeParse(row.definition);
  if (!parsed.success) return { type: 'unusable' };
  const found = testOf(parsed.data, wanted);
  if (found === undefined) return { type: 'no-test' };
  const { operation, record } = found;
  const requestId = randomUUIDv7();
  const afterMs = await begin(sql, { tenantId, name, actor, operation, requestId });
  if (afterMs > 0) return { type: 'too-soon', afterMs };
  const definition = bounded(parsed.data);
  const { ratePerSecond } = definition.limits;
  const caller = createPartnerCaller({
    definition,
    secrets: secretsOfTenant(secrets, tenantId),
    addressGuard,
    ...(ratePerSecond !== undefined && {
      leaseSlice: () => leaseRateSlice(sql, { tenantId, partner: name, ratePerSecond, mostCalls: 1 }),
    }),
  });
  const begun = performance.now();
  try {
    const meta = { tenant: tenantId, job: requestId, file: 'test', line: 1, step: 'test', key: requestId };
    const values = { record, replies: {}, meta };
    const call = { operation, values, requestId, idempotencyKey: requestId, signal };
    const outcome = await takeTurn(() => caller.call(call), signal);
    return { type: 'tested', operation, requestId, outcome, tookMs: Math.round(performance.now() - begun) };
  } finally {
    caller.close();
  }
}

/** Workers that are busy give the rate away as it comes: a place among them is waited for. */
async function takeTurn(call: () => Promise<CallOutcome>, signal: AbortSignal): Promise<CallOutcome> {
  const until = performance.now() + LONGEST_TURN_MS;
  for (;;) {
    const outcome = await call();
    const isTurn = outcome.type !== 'wait' || outcome.reason !== 'rate';
    if (isTurn || performance.now() + outcome.afterMs > until || signal.aborted) return outcome;
    await setTimeout(outcome.afterMs);
  }
}

function testOf(
  { operations }: PartnerDocument,
  wanted: string | undefined,
): { operation: string; record: Record<string, Scalar> } | undefined {
  for (const [operation, { test }] of Object.entries(operations)) {
    if (test !== undefined && (wanted === undefined || wanted === operation)) return { operation, record: test };
  }
  return undefined;
}

function bounded(definition: PartnerDocument): PartnerDocument {
  const operations = Object.entries(definition.operations).map(([name, operation]) => [
    name,
    { ...operation, timeout: Math.min(operation.timeout ?? definition.timeout, LONGEST_MS) },
  ]);
  return {
    ...definition,
    timeout: Math.min(definition.timeout, LONGEST_MS),
    operations: Object.fromEntries(operations),
  };
}

/** 0 when the test may be made now, and is in the audit; otherwise after how many milliseconds. */
async function begin(
  sql: Sql,
  { tenantId, name, actor, operation, requestId }: TestPartner & { readonly requestId: string },
): Promise<number> {
  const [row] = await sql<{ afterMs: number }[]>`
    WITH present AS MATERIALIZED (
      SELECT tenant_id, name, extract(epoch FROM tested_at + ${APART_MS}::int * interval '1 ms' - now()) * 1000 AS after_ms
      FROM partners WHERE tenant_id = ${tenantId} AND name = ${name} FOR UPDATE),
    marked AS (
      UPDATE partners p SET tested_at = now() FROM present
      WHERE p.tenant_id = present.tenant_id AND p.name = present.name AND coalesce(present.after_ms, 0) <= 0 RETURNING p.tenant_id, p.name),
    event AS (
      SELECT 'partner.tested' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('partner', name, 'operation', ${operation ?? ''}::text, 'requestId', ${requestId}::text) AS detail,
        '{events}'::text[] AS topics
      FROM marked),
    ${recordEvents(sql, actor)}
    SELECT greatest(0, coalesce(after_ms, 0))::float8 AS "afterMs" FROM present`;
  return row?.afterMs ?? 0;
}
