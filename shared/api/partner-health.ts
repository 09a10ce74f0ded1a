/** `GET /api/v1/partners/{tenant}/{name}/health`: how its calls go, and what waits for it. */
import { z } from 'zod';
import { partnerControlSchema } from './partner-control.ts';

const milliseconds = z.number().nullable().describe('Null without calls.');

export const partnerHealthSchema = z
  .object({
    customer_id: z.string(),
    name: z.string(),
    window_seconds: z.number().describe('The window, and what has passed of this minute.'),
    control: partnerControlSchema,
    limits: z.object({
      rate_per_second: z.number().nullable().describe('Over all workers; null: no limit.'),
      concurrency: z.number().describe('Of one worker.'),
    }),
    secrets: z
      .array(
        z.object({
          name: z.string(),
          changed_at: z.string().nullable().describe('Since when the store has this version.'),
          ends_at: z.string().nullable().describe('Of a certificate.'),
          state: z
            .enum(['ok', 'unavailable', 'unknown'])
            .describe('`unknown`: the store did not answer within a second.'),
        }),
      )
      .describe('That its definition names; never what is in them.'),
    last_call_at: z.string().nullable().describe('To the minute, of the last 90 days; null: never called.'),
    breakers: z
      .array(
        z.object({ worker: z.string(), open_until: z.string().nullable(), since: z.string(), reported_at: z.string() }),
      )
      .describe('As each worker has it; open while `open_until` is not null.'),
    calls: z.object({
      total: z.number(),
      per_second: z.number(),
      p50_ms: milliseconds,
      p95_ms: milliseconds,
      p99_ms: milliseconds,
    }),
    replies: z
      .array(
        z.object({
          outcome: z.string(),
          http_status: z.number().nullable().describe('Null: no reply.'),
          cause: z.string().nullable(),
          calls: z.number(),
        }),
      )
      .describe('The most frequent first.'),
    waiting: z
      .object({ records: z.number(), oldest_since: z.string().nullable() })
      .describe('Records that nobody works on, of jobs in progress whose routes call this partner.'),
    held_up: z
      .object({ jobs: z.number().describe('At most 1,000 are counted.'), oldest_since: z.string().nullable() })
      .describe('Jobs that wait at a call of this partner: for their records, for the breaker, or since it is paused.'),
  })
  .meta({ id: 'PartnerHealth' });
export type PartnerHealth = z.infer<typeof partnerHealthSchema>;
