/** What API Gateway asks: a TOKEN event carries the header's value, a REQUEST event all headers. */
import { z } from 'zod';

/** Stage, then method and path. Path and method come from the caller; only what is before them is used for policies. */
const METHOD_ARN = /^(arn:aws[a-z-]*:execute-api:[a-z0-9-]+:\d{12}:[A-Za-z0-9]+\/[A-Za-z0-9_$-]+)\/[A-Z*]+(?:\/|$)/;

const methodArnSchema = z.string().max(16_384).regex(METHOD_ARN);

const authorizerEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('TOKEN'), authorizationToken: z.string(), methodArn: methodArnSchema }),
  z.object({
    type: z.literal('REQUEST'),
    methodArn: methodArnSchema,
    headers: z.record(z.string(), z.string()).nullish(),
    multiValueHeaders: z.record(z.string(), z.array(z.string())).nullish(),
  }),
]);

export interface AuthorizationQuestion {
  /** The `Authorization` header; undefined when there is none, or more than one. */
  readonly authorization: string | undefined;
  /** `arn:aws:execute-api:region:account:api/stage`. */
  readonly stageArn: string;
}

/** Undefined when `event` is not one of API Gateway's. */
export function readAuthorizerEvent(event: unknown): AuthorizationQuestion | undefined {
  const parsed = authorizerEventSchema.safeParse(event);
  if (!parsed.success) return undefined;
  const stageArn = METHOD_ARN.exec(parsed.data.methodArn)?.[1];
  if (stageArn === undefined) return undefined;
  if (parsed.data.type === 'TOKEN') return { authorization: parsed.data.authorizationToken, stageArn };
  const { headers, multiValueHeaders } = parsed.data;
  const values = multiValueHeaders
    ? valuesOf(Object.entries(multiValueHeaders))
    : valuesOf(Object.entries(headers ?? {}).map(([name, value]) => [name, [value]]));
  return { authorization: values.length === 1 ? values[0] : undefined, stageArn };
}

function valuesOf(headers: readonly (readonly [string, readonly string[]])[]): string[] {
  return headers.filter(([name]) => name.toLowerCase() === 'authorization').flatMap(([, values]) => values);
}
