/** Whether a reason names a ticket, where `LONGSHORE_REASON_PATTERN` says how tickets look. */
import { z } from 'zod';
import { compileLinearPattern } from '#shared/definitions/linear-pattern.ts';

const LONGEST_PATTERN = 200;

/** Undefined: every reason will do. */
export interface ReasonRule {
  /** As it was written. */
  readonly pattern: string;
  readonly allows: (reason: string) => boolean;
}

export const reasonRuleVariable = z.string().transform((pattern, context): ReasonRule => {
  // Anywhere in the reason, which has words, too.
  const compiled = pattern.length > LONGEST_PATTERN ? undefined : compileLinearPattern(`.*(?:${pattern}).*`);
  if (compiled?.ok) return { pattern, allows: compiled.matches };
  context.addIssue({
    code: 'custom',
    message: `must be a regular expression (RE2) of at most ${LONGEST_PATTERN} characters`,
  });
  return z.NEVER;
});

/** For people: what is missing. */
export function explainRule({ pattern }: ReasonRule): string {
  return `The reason names no ticket: something like ${pattern} must be in it.`;
}
