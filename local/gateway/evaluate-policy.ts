/** What API Gateway makes of an authorizer's answer for one request: an explicit deny wins, and nothing said is a deny too. */
import { z } from 'zod';

const oneOrMany = z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(z.string()).min(1));

/** The form that API Gateway asks for; anything else is a failure of the authorizer. */
export const authorizerAnswerSchema = z.object({
  principalId: z.string().min(1),
  policyDocument: z.object({
    Version: z.literal('2012-10-17'),
    Statement: z.array(z.object({ Action: oneOrMany, Effect: z.enum(['Allow', 'Deny']), Resource: oneOrMany })).min(1),
  }),
  context: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});
export type AuthorizerAnswer = z.output<typeof authorizerAnswerSchema>;

export type PolicyDecision = 'allowed' | 'explicitly-denied' | 'not-allowed';

export function evaluatePolicy({ policyDocument }: AuthorizerAnswer, methodArn: string): PolicyDecision {
  const effects = policyDocument.Statement.filter(
    ({ Action, Resource }) =>
      Action.some((pattern) => isMatch(pattern, 'execute-api:Invoke')) &&
      Resource.some((pattern) => isMatch(pattern, methodArn)),
  ).map(({ Effect }) => Effect);
  if (effects.includes('Deny')) return 'explicitly-denied';
  return effects.includes('Allow') ? 'allowed' : 'not-allowed';
}

/** `*` is any text, `?` any one character. Greedy with one point to go back to: linear for any pattern that people write. */
function isMatch(pattern: string, text: string): boolean {
  let [at, read, starAt, starRead] = [0, 0, -1, 0];
  while (read < text.length) {
    if (pattern[at] === '*') {
      starAt = at;
      starRead = read;
      at += 1;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[read])) {
      at += 1;
      read += 1;
    } else if (starAt >= 0) {
      at = starAt + 1;
      starRead += 1;
      read = starRead;
    } else {
      return false;
    }
  }
  return [...pattern.slice(at)].every((character) => character === '*');
}
