/**
 * `GET /api/v1/effects`, and an operator's decision about one that is in doubt.
 *
 * 1. `done` and `not-done` say what the target was found to have; the job continues from there, with the same key.
 * 2. `resend` makes a new job with new keys: an action, as every `resend`, which waits for a second person.
 */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { runAction } from '#shared/actions/action-transitions.ts';
import { previewAction } from '#shared/actions/preview-action.ts';
import { EFFECT_STAGES } from '#shared/db/schema.ts';
import { resolveEffect } from '#shared/effects/resolve-effect.ts';
import { LongshoreError } from '#shared/errors.ts';
import { actionSchema, findAction } from '../actions/action-reply.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idCursorField } from '../http/page-cursor.ts';
import {
  anyCaseListField,
  idField,
  idParams,
  limitField,
  reasonField,
  tenantField,
  textField,
} from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { type EffectReply, effectPageSchema, effectSchema, findEffect, findEffects } from './find-effects.ts';

const filtersSchema = z.strictObject({
  tenant: tenantField.optional(),
  stage: anyCaseListField(EFFECT_STAGES).optional(),
  kind: textField(64).optional().describe('Kind of step, such as load, post, push, publish or mail.'),
  job_id: idField.optional(),
  cursor: idCursorField.optional().describe('next_cursor of the previous page.'),
  limit: limitField,
});

const resolveSchema = z.strictObject({
  as: z
    .enum(['done', 'not-done', 'resend'])
    .describe(
      'done: the target has it, and the job continues after the step. not-done: it does not, and the step is done again with the same key. resend: as new, with a new key.',
    ),
  reason: reasonField,
});

const resolvedSchema = z
  .object({
    effect: effectSchema,
    action: actionSchema.nullable().describe('Of resend: what a second person approves.'),
  })
  .meta({ id: 'ResolvedEffect' });

export function handleEffects(app: ApiServer, parts: ApiParts): void {
  const { sql, reads, senders, admissionWindow } = parts;

  app.get(
    '/api/v1/effects',
    {
      schema: {
        summary: 'What steps did at targets outside, newest first',
        tags: ['jobs'],
        querystring: filtersSchema,
        response: { 200: effectPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, stage: stages, kind, job_id: jobId, cursor: after, limit } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { effects: [], next_cursor: null };
      return await findEffects(reads, { tenantId, stages, kind, jobId, after, limit });
    },
  );

  app.get(
    '/api/v1/effects/:id',
    {
      schema: {
        summary: 'One effect',
        tags: ['jobs'],
        params: idParams,
        response: { 200: effectSchema, ...errorReplies },
      },
    },
    async (request) => await findOrRefuse(callerOf(request).tenantId, request.params.id),
  );

  app.post(
    '/api/v1/effects/:id/resolve',
    {
      schema: {
        summary: 'Say what happened to an effect that is in doubt',
        tags: ['jobs'],
        params: idParams,
        body: resolveSchema,
        response: { 200: resolvedSchema, ...errorReplies },
      },
    },
    async (request) => {
      const effect = await findOrRefuse(callerOf(request).tenantId, request.params.id);
      const actor = actorOf(callerWith(request, 'effects:resend'));
      const { as, reason } = request.body;
      const { effect_id: effectId, job_id: jobId } = effect;
      if (effect.stage !== 'UNKNOWN') throw notInDoubt(effect);
      if (as === 'resend') {
        const id = await previewAction(sql, { verb: 'resend', filter: { ids: [jobId] }, tenantId: null, actor });
        await runAction(sql, { id, tenantId: null, actor, reason, needsApproval: true });
        return { effect, action: await findAction(parts, null, id) };
      }
      const job = await resolveEffect(sql, { effectId, jobId, verdict: as, actor, reason, window: admissionWindow });
      const now = await findOrRefuse(null, effectId);
      if (job === undefined) throw notInDoubt(now);
      if (job.isWoken) await senders.wakeJobs([job]);
      return { effect: now, action: null };
    },
  );

  async function findOrRefuse(tenantId: string | null, id: string): Promise<EffectReply> {
    const effect = await findEffect(reads, tenantId, id);
    if (effect === undefined) throw new LongshoreError('NOT_FOUND', 'Effect not found');
    return effect;
  }
}

function notInDoubt({ stage, job_state: state }: EffectReply): LongshoreError {
  return new LongshoreError(
    'EFFECT_NOT_IN_DOUBT',
    `The effect is ${stage} and its job ${state}; only an UNKNOWN effect of a job that has ended can be decided.`,
  );
}
