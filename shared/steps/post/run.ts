/**
 * `post`: the file, whole, as one call of a partner's operation.
 *
 * 1. A call with a key that the partner knows, or of an operation that may be repeated, is repeated with the same key.
 * 2. Any other call whose outcome is not known is asked about, by the operation that `ask` names, and is ambiguous otherwise.
 * 3. Waiting for the partner's rate or breaker counts no attempt.
 */
import type { PartnerDocument, PartnerOperation } from '#shared/definitions/partner-schema.ts';
import { type Answer, type Committed, type EffectTarget, runEffect } from '#shared/effects/run-effect.ts';
import type { CallOutcome } from '#shared/partners/call-partner.ts';
import { isRepeatable } from '#shared/partners/judge-reply.ts';
import type { OpenPartner } from '#shared/partners/partner-directory.ts';
import type { FileContent } from '#shared/partners/request-content.ts';
import { metaOf, notDone, requestIdOf } from '../partner-calls.ts';
import { readContent } from '../read-content.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type PostOptions, postOptions } from './options.ts';

/** It is held in memory, some three times. */
export const LARGEST_POSTED_BYTES = 16 * 1024 ** 2;

export const postStep: StepKind<PostOptions> = {
  kind: postOptions.kind,
  classOf: postOptions.classOf,
  run: (context) =>
    withStoreFailures('DELIVERY_ERROR', async () => {
      const { partner: name, operation } = context.options;
      const found = await context.targets?.findPartner(name);
      if (found === undefined || !found.ok) {
        const message = found?.message ?? `This service does not have the partner ${name}.`;
        return retry('DELIVERY_ERROR', 'PARTNER_UNKNOWN', `${message} Apply its definition.`);
      }
      const { definition } = found.partner;
      const described = definition.operations[operation];
      if (described?.file === undefined) {
        const message = `The partner ${name} has no operation ${operation} that says how it takes a file (\`file\`).`;
        return retry('DELIVERY_ERROR', 'PARTNER_UNKNOWN', message);
      }
      if (context.object.sizeBytes > LARGEST_POSTED_BYTES) return tooLarge(context.object.sizeBytes);
      const { closedForMs, isPaused } = found.partner;
      // Found out before the content is read and the effect is begun.
      if (closedForMs > 0) {
        const reason = isPaused ? 'paused' : 'breaker-open';
        return notDone('DELIVERY_ERROR', { type: 'wait', afterMs: closedForMs, reason });
      }
      return await post(context, found.partner, described);
    }),
};

function tooLarge(sizeBytes: number): StepOutcome {
  const message = `The file has ${sizeBytes} bytes, and a call takes ${LARGEST_POSTED_BYTES}; push it, or deliver it to a store.`;
  return failed('DELIVERY_ERROR', 'CONTENT_TOO_LARGE', message);
}

interface PostFacts extends Readonly<Record<string, unknown>> {
  readonly partner: string;
  readonly operation: string;
  readonly sizeBytes: number;
  readonly reference?: string;
}

async function post(
  context: StepContext<PostOptions>,
  partner: OpenPartner,
  operation: PartnerOperation,
): Promise<StepOutcome> {
  const target = postTarget(context, partner, operation);
  const end = await runEffect({ log: context.effects, code: 'DELIVERY_ERROR', target });
  if (end.type === 'ended') return end.outcome;
  return { type: 'succeeded', output: { ...end.facts, wasThere: end.wasThere } };
}

function postTarget(
  context: StepContext<PostOptions>,
  partner: OpenPartner,
  operation: PartnerOperation,
): EffectTarget<PostFacts> {
  const { options, idempotencyKey, object, signal } = context;
  let content: FileContent | undefined;
  const call = async (name: string, file?: FileContent): Promise<CallOutcome> => {
    const outcome = await partner.call(
      {
        operation: name,
        values: { record: {}, replies: {}, meta: metaOf(context) },
        requestId: requestIdOf(context),
        idempotencyKey,
        signal,
        ...(file !== undefined && { file }),
      },
      () => !signal.aborted,
    );
    return outcome.type === 'postponed' ? { type: 'wait', afterMs: outcome.afterMs, reason: 'rate' } : outcome;
  };
  return {
    async prepare() {
      content = await readContent(context);
      return { type: 'prepared', facts: { ...options, sizeBytes: object.sizeBytes } };
    },
    async commit(facts) {
      return committed(await call(options.operation, content), facts);
    },
    async ask(facts) {
      if (isRepeatable(operation, true)) return { type: 'not-done' };
      if (operation.ask === undefined) return unknown(partner.definition);
      return answered(await call(operation.ask), facts);
    },
  };
}

function committed(outcome: CallOutcome, facts: PostFacts): Committed<PostFacts> {
  switch (outcome.type) {
    case 'success':
      return { type: 'done', facts: withReply(facts, outcome) };
    case 'ambiguous':
      return { type: 'unsure', cause: outcome.cause, message: outcome.message };
    default:
      return { type: 'not-done', outcome: notDone('DELIVERY_ERROR', outcome) };
  }
}

/** By the operation that is asked: what it calls a success is there, and what it calls a failure is not. */
function answered(outcome: CallOutcome, facts: PostFacts): Answer<PostFacts> {
  switch (outcome.type) {
    case 'success':
      return { type: 'done', facts: withReply(facts, outcome) };
    case 'failed':
      return { type: 'not-done' };
    case 'ambiguous':
      return { type: 'unknown', message: outcome.message };
    default:
      return { type: 'later', outcome: notDone('DELIVERY_ERROR', outcome) };
  }
}

function withReply(facts: PostFacts, { output, reference }: Extract<CallOutcome, { type: 'success' }>): PostFacts {
  return { ...facts, ...(reference !== undefined && { reference }), reply: output };
}

function unknown({ name }: PartnerDocument): Answer<PostFacts> {
  return {
    type: 'unknown',
    message: `The partner ${name} does not know keys, and has no operation to ask about the call; ask the partner whether it has the file.`,
  };
}
