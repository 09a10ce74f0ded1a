/** `GET /api/v1/overview`: the numbers of the board. */
import { z } from 'zod';

export const overviewSchema = z
  .object({
    at: z.string(),
    needs_person: z.object({
      held_jobs: z.number(),
      failed_jobs: z.number().describe('Of the last 24 hours, and not retried since.'),
      parked_dead_letters: z.number(),
      parked_notices: z.number(),
      actions_to_approve: z.number(),
      changes_to_approve: z.number().describe('Proposals; 0 to a tenant.'),
      held_partners: z.number().describe('That an operator paused, or whose breaker an operator opened.'),
      late_files: z.number().describe('Expected ones that are late, or were missed in the last 24 hours.'),
      open_breakers: z.number().describe('Partners that are not called, because their calls fail.'),
      effects_in_doubt: z
        .number()
        .describe('It is not known whether the effect reached its target; an operator decides.'),
    }),
    last_day: z.object({ arrived: z.number(), failed: z.number() }).describe('Files of the last 24 hours.'),
    minutes: z
      .array(z.object({ at: z.string(), arrived: z.number(), failed: z.number() }))
      .describe('Files of the last 24 hours by minute of arrival; a minute in which nothing happened is left out.'),
    failing: z
      .array(
        z.object({
          code: z.string(),
          cause: z.string().nullable(),
          route: z.string(),
          tenant: z.string(),
          count: z.number(),
          retryable: z
            .number()
            .describe('Of them, those that a retry can help: no branches, and none whose content is the fault.'),
          week_before: z.number().describe('In the same 24 hours a week ago.'),
          since: z.string(),
        }),
      )
      .describe('Failed jobs of the last 24 hours by code, cause and route, the most frequent 20.'),
  })
  .meta({ id: 'Overview' });
export type Overview = z.infer<typeof overviewSchema>;
