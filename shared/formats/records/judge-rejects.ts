/** What a route does with a file some of whose records were rejected. */
import type { OnReject } from '#shared/definitions/routes/records-schema.ts';

export type RejectsVerdict = 'accept' | 'reject-file' | 'hold';

/** `accept`: the accepted records continue, the rejected ones go back. */
export function judgeRejects(
  { records, rejected }: { readonly records: number; readonly rejected: number },
  rule: OnReject,
): RejectsVerdict {
  if (rejected === 0) return 'accept';
  if (rule.action !== 'reject-rows') return rule.action;
  return rejected <= records * rule.upToShare ? 'accept' : rule.otherwise;
}
