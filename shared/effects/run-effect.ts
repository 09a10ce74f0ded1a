/**
 * One visible act at a target, in three stages: prepare, commit, ask.
 *
 * 1. Preparing is invisible, and repeated by every try. The commit is one act, and `COMMITTING` is stored before it is sent.
 * 2. Who finds `COMMITTING` or `UNKNOWN` asks the target before anything else. `DONE` is never done again.
 * 3. What asking cannot tell is `ambiguous`, and `UNKNOWN` until an operator says what happened to it.
 * 4. A commit whose reply was lost is asked about at once, in the same try.
 */
import type { ErrorCode } from '#shared/errors.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import type { EffectFacts, EffectLog } from './effect-log.ts';

/** An outcome that is not one of success: nothing was committed by it. */
export type NotDone = Extract<StepOutcome, { type: 'retry' | 'failed' | 'wait' }>;

export interface Unsure {
  readonly cause: ErrorCode | string;
  /** One sentence: why it is not known whether the effect reached its target. */
  readonly message: string;
}

export type Prepared<Facts> =
  | { readonly type: 'prepared'; readonly facts: Facts }
  | { readonly type: 'ended'; readonly outcome: NotDone };

export type Committed<Facts> =
  | { readonly type: 'done'; readonly facts: Facts }
  /** Certainly nothing was done. */
  | { readonly type: 'not-done'; readonly outcome: NotDone }
  | ({ readonly type: 'unsure' } & Unsure);

export type Answer<Facts> =
  | { readonly type: 'done'; readonly facts: Facts }
  /** Or it may be done twice without harm. */
  | { readonly type: 'not-done' }
  | { readonly type: 'unknown'; readonly message: string }
  /** The target could not be asked now. */
  | { readonly type: 'later'; readonly outcome: NotDone };

export interface EffectTarget<Facts extends EffectFacts> {
  /** `left`: what an earlier try stored, if any. */
  prepare(left: Facts | undefined): Promise<Prepared<Facts>>;
  commit(facts: Facts): Promise<Committed<Facts>>;
  /** `sinceMs`: since the commit was stored. */
  ask(facts: Facts, sinceMs: number): Promise<Answer<Facts>>;
}

export interface EffectToRun<Facts extends EffectFacts> {
  readonly log: EffectLog;
  /** Of the step, from 0. */
  readonly part?: number;
  /** Of the step, for the outcome `ambiguous`. */
  readonly code: ErrorCode;
  readonly target: EffectTarget<Facts>;
}

export type EffectEnd<Facts> =
  | { readonly type: 'done'; readonly facts: Facts; readonly wasThere: boolean }
  | { readonly type: 'ended'; readonly outcome: StepOutcome };

/** @throws LongshoreError `LEASE_LOST`, and what the target throws. */
export async function runEffect<Facts extends EffectFacts>(effect: EffectToRun<Facts>): Promise<EffectEnd<Facts>> {
  const { log, part = 0, target } = effect;
  const left = await log.begin(part);
  const facts = left.facts as Facts;
  if (left.stage === 'DONE') return { type: 'done', facts, wasThere: true };
  if (left.stage === 'COMMITTING' || left.stage === 'UNKNOWN') {
    const end = await settle(effect, { facts, sinceMs: left.ageMs });
    if (end !== 'not-done') return end;
  }
  const prepared = await target.prepare(left.stage === 'PREPARING' && !hasFacts(facts) ? undefined : facts);
  if (prepared.type === 'ended') return prepared;
  await log.write(part, 'COMMITTING', prepared.facts);
  const committed = await target.commit(prepared.facts);
  if (committed.type === 'done') {
    await log.write(part, 'DONE', committed.facts);
    return { type: 'done', facts: committed.facts, wasThere: false };
  }
  if (committed.type === 'not-done') {
    await log.write(part, 'PREPARED', prepared.facts);
    return { type: 'ended', outcome: committed.outcome };
  }
  const { cause, message } = committed;
  const end = await settle(effect, { facts: prepared.facts, sinceMs: 0, unsure: { cause, message } });
  return end === 'not-done' ? { type: 'ended', outcome: { type: 'retry', code: effect.code, cause, message } } : end;
}

interface Open<Facts> {
  readonly facts: Facts;
  readonly sinceMs: number;
  readonly unsure?: Unsure;
}

/** Asks the target, and stores what it says. */
async function settle<Facts extends EffectFacts>(
  { log, part = 0, code, target }: EffectToRun<Facts>,
  { facts, sinceMs, unsure }: Open<Facts>,
): Promise<EffectEnd<Facts> | 'not-done'> {
  const answer = await target.ask(facts, sinceMs);
  switch (answer.type) {
    case 'done':
      await log.write(part, 'DONE', answer.facts);
      return { type: 'done', facts: answer.facts, wasThere: unsure === undefined };
    case 'not-done':
      await log.write(part, 'PREPARED', facts);
      return 'not-done';
    case 'later':
      return { type: 'ended', outcome: answer.outcome };
    case 'unknown': {
      await log.write(part, 'UNKNOWN', facts);
      const message = [unsure?.message, answer.message].filter((text) => text !== undefined).join(' ');
      return { type: 'ended', outcome: { type: 'ambiguous', code, cause: 'EFFECT_UNKNOWN', message } };
    }
  }
}

function hasFacts(facts: EffectFacts): boolean {
  return Object.keys(facts).length > 0;
}
