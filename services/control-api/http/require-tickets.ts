/** Reasons of operators must name a ticket where the instance has a rule for it. Tenants give theirs in their own words. */
import type { FastifyInstance } from 'fastify';
import { LongshoreError } from '#shared/errors.ts';
import { explainRule, type ReasonRule } from '#shared/reviews/reason-rule.ts';

export function requireTickets(app: FastifyInstance, rule: ReasonRule | undefined): void {
  if (rule === undefined) return;
  app.addHook('preHandler', async ({ caller, body, query }) => {
    if (caller === null || caller.tenantId !== null) return;
    const reason = reasonIn(body) ?? reasonIn(query);
    if (reason === undefined || rule.allows(reason)) return;
    throw new LongshoreError('REASON_WITHOUT_TICKET', explainRule(rule), { details: { pattern: rule.pattern } });
  });
}

function reasonIn(fields: unknown): string | undefined {
  if (typeof fields !== 'object' || fields === null || !('reason' in fields)) return undefined;
  return typeof fields.reason === 'string' ? fields.reason : undefined;
}
