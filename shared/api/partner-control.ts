/** What operators decide about the calls of a partner: pause and resume, its breaker, and a test call. */
import { z } from 'zod';

export const partnerControlSchema = z
  .object({
    revision: z
      .number()
      .describe('Grows with each change; a request with `revision` is done only while it is this one.'),
    paused: z
      .object({
        since: z.string(),
        by: z.string().nullable().describe('Null to a tenant.'),
        reason: z.string().nullable().describe('Null to a tenant.'),
      })
      .nullable()
      .describe('Null: calls may pass.'),
    breaker: z
      .object({
        since: z.string(),
        until: z.string().nullable().describe('Null: until it is closed.'),
        by: z.string().nullable().describe('Null to a tenant.'),
        reason: z.string().nullable().describe('Null to a tenant.'),
      })
      .nullable()
      .describe('Null: no operator holds it open; those of the workers are in `breakers`.'),
    tests: z.array(z.string()).describe('Operations that can be called as a test.'),
  })
  .meta({ id: 'PartnerControl' });
export type PartnerControlView = z.infer<typeof partnerControlSchema>;

export const partnerTestSchema = z
  .object({
    ok: z.boolean().describe('The partner answered, and by its definition the answer is a success.'),
    operation: z.string(),
    request_id: z.string().describe('Sent as `x-request-id`.'),
    outcome: z
      .enum(['success', 'failed', 'retryable', 'ambiguous', 'not-made'])
      .describe('`not-made`: its token, its secret or its rate had to be waited for.'),
    http_status: z.number().nullable().describe('Null: no reply.'),
    took_ms: z.number().describe('With the token, where one was fetched.'),
    cause: z.string().nullable(),
    message: z.string().nullable().describe('Without secrets, and without the body of the reply.'),
  })
  .meta({ id: 'PartnerTest' });
export type PartnerTest = z.infer<typeof partnerTestSchema>;
