/** `POST /api/v1/partners/{tenant}/{name}/pause`, `resume`, `breaker` and `test`: what operators decide about the calls of a partner. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { type PartnerTest, partnerControlSchema, partnerTestSchema } from '#shared/api/partner-control.ts';
import { durationSchema } from '#shared/definitions/duration.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { type ControlVerb, controlPartner } from '#shared/partners/control-partner.ts';
import type { PartnerTested } from '#shared/partners/test-partner.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { reasonField, tenantField, textField } from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { findPartnerControl } from './find-partner-control.ts';

const params = z.object({ tenant: tenantField, name: textField(128) });
const revision = z
  .int()
  .min(0)
  .max(2_147_483_647)
  .optional()
  .describe('Done only while `control.revision` is this one; 409 otherwise.');
export const wordBody = z.strictObject({ reason: reasonField, revision });
const LONGEST_OPEN_MS = 30 * 86_400_000;
export const breakerBody = wordBody
  .extend({
    state: z.enum(['open', 'closed']).describe('`closed`: the next call of each worker is a trial.'),
    for: z
      .string()
      .max(12)
      .pipe(z.transform((text): string | number => text))
      .pipe(durationSchema({ minMs: 1_000, maxMs: LONGEST_OPEN_MS }))
      .optional()
      .describe('Of `open`, such as 30m or 2h; until it is closed when absent.'),
  })
  .refine(({ state, for: forMs }) => state === 'open' || forMs === undefined, {
    error: 'belongs to `open`',
    path: ['for'],
  });
const testBody = z
  .strictObject({ operation: textField(64).optional().describe('The first that has a `test` when absent.') })
  .nullish();

/** A token and a call, each with its own bound. */
const TEST_MS = 15_000;

interface ControlParts extends Pick<ApiParts, 'sql'> {
  readonly secrets: SecretStore;
  readonly partnerGuard: AddressGuard;
}

type Name = z.output<typeof params>;

export function handlePartnerControl(app: ApiServer, { sql, secrets, partnerGuard }: ControlParts): void {
  const pauses = [
    ['pause', 'Stop all calls of a partner. What calls it waits, and counts no attempt'],
    ['resume', 'Let calls of a paused partner pass again'],
  ] as const;
  for (const [verb, summary] of pauses) {
    app.post(
      `/api/v1/partners/:tenant/:name/${verb}`,
      {
        schema: {
          summary,
          tags: ['operations'],
          params,
          body: wordBody,
          response: { 200: partnerControlSchema, ...errorReplies },
        },
      },
      async (request) =>
        await control(request.params, callerWith(request, 'partners:change'), { verb, ...request.body }),
    );
  }

  app.post(
    '/api/v1/partners/:tenant/:name/breaker',
    {
      schema: {
        summary: 'Open the breaker of a partner in all workers, or close it',
        tags: ['operations'],
        params,
        body: breakerBody,
        response: { 200: partnerControlSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'partners:change');
      const { state, for: forMs, ...rest } = request.body;
      const verb = state === 'open' ? 'open-breaker' : 'close-breaker';
      return await control(request.params, caller, { verb, forMs, ...rest });
    },
  );

  app.post(
    '/api/v1/partners/:tenant/:name/test',
    {
      schema: {
        summary: 'Call a partner once, by an operation that its definition has a `test` for',
        description:
          'Works while the partner is paused or its breaker is open. Counts against the partner’s rate, at most once in 5 seconds,' +
          ' and calls only addresses that workers may call. The call has no effect, since only an operation with `idempotent: true` can have a test.',
        tags: ['operations'],
        params,
        body: testBody,
        response: { 200: partnerTestSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'partners:test');
      const { tenant, name } = request.params;
      if (scopeOf(caller, tenant) === undefined) throw notFound();
      // HTTP clients and templates are for those who test alone.
      const { testPartner } = await import('#shared/partners/test-partner.ts');
      const tested = await testPartner(
        { sql, secrets, addressGuard: partnerGuard },
        { tenantId: tenant, name, operation: request.body?.operation, actor: actorOf(caller) },
        AbortSignal.any([request.ended, AbortSignal.timeout(TEST_MS)]),
      );
      if (tested.type === 'too-soon') {
        const seconds = Math.ceil(tested.afterMs / 1_000);
        void reply.header('retry-after', seconds);
        throw new LongshoreError('RATE_LIMITED', `The partner was tested just now; again in ${seconds} s.`);
      }
      return shown(tested);
    },
  );

  async function control(
    { tenant, name }: Name,
    caller: ReturnType<typeof callerWith>,
    change: { verb: ControlVerb; reason: string; revision?: number | undefined; forMs?: number | undefined },
  ) {
    if (scopeOf(caller, tenant) === undefined) throw notFound();
    const done = await controlPartner(sql, { tenantId: tenant, name, actor: actorOf(caller), ...change });
    const found = await findPartnerControl(sql, { tenant, name }, caller.tenantId);
    if (done === 'absent' || found === undefined) throw notFound();
    if (done !== 'stale') return found;
    const message = 'The partner was paused or resumed, or its breaker changed, since you looked.';
    throw new LongshoreError('PARTNER_CHANGED', message, { details: { control: found } });
  }
}

function notFound(): LongshoreError {
  return new LongshoreError('NOT_FOUND', 'Partner not found');
}

function shown(tested: Exclude<PartnerTested, { type: 'too-soon' }>): PartnerTest {
  if (tested.type === 'absent') throw notFound();
  if (tested.type !== 'tested') throw new LongshoreError('PARTNER_NO_TEST', 'The partner has no such test.');
  const { operation, requestId, outcome, tookMs } = tested;
  const isMade = outcome.type !== 'wait' && outcome.type !== 'withdrawn';
  const why = 'cause' in outcome ? { cause: outcome.cause, message: outcome.message } : { cause: null, message: null };
  return {
    ok: outcome.type === 'success',
    operation,
    request_id: requestId,
    outcome: isMade ? outcome.type : 'not-made',
    http_status: isMade ? (outcome.httpStatus ?? null) : null,
    took_ms: tookMs,
    ...why,
    ...(outcome.type === 'wait' && outcome.reason === 'rate' && { message: 'The partner’s rate is used up for now.' }),
  };
}
