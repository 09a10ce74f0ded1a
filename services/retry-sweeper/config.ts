/** The variables of the retry-sweeper. */
import { z } from 'zod';
import { LEAST_FILE_DAYS } from '#shared/definitions/retention-schema.ts';
import { checkMail, mailVariables } from '#shared/notices/mail-variables.ts';
import { linkVariables } from '#shared/reviews/link-variables.ts';
import { fleetVariables, networksVariable } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';

const DAY_MS = 86_400_000;

export const variables = z.object({
  ...fleetVariables,
  LONGSHORE_SFTP_QUIET_MS: integerVariable({ min: 0, max: DAY_MS })
    .default(60_000)
    .describe(
      'How long an object of an SFTP upload waits for the report that the upload is complete. Use the same value for the ingestor and the retry-sweeper.',
    ),
  LONGSHORE_SWEEP_TICK_MS: integerVariable({ min: 10, max: 60_000 })
    .default(500)
    .describe('How often due rows are woken and events published.'),
  LONGSHORE_SWEEP_COUNT_MS: integerVariable({ min: 100, max: 600_000 })
    .default(3_000)
    .describe("How often the queues' message counts are compared with the rows that wait for them."),
  /** A queue's counts are approximate. */
  LONGSHORE_SWEEP_GRACE_MS: integerVariable({ min: 0, max: 600_000 })
    .default(5_000)
    .describe('A wake-up younger than this is never considered lost.'),
  LONGSHORE_SWEEP_BOUND_MS: integerVariable({ min: 1_000, max: DAY_MS })
    .default(90_000)
    .describe(
      'A wake-up older than this is sent again whatever the queue counts. The time doubles with each one sent.',
    ),
  LONGSHORE_SWEEP_WAKES_PER_MINUTE: integerVariable({ min: 1, max: 1_000_000 })
    .default(30_000)
    .describe('Maximum number of wake-ups that one sweeper sends in a minute.'),
  LONGSHORE_RECONCILE_MS: integerVariable({ min: 1_000, max: DAY_MS })
    .default(300_000)
    .describe('How often the landing bucket is compared with the table of files.'),
  LONGSHORE_RECONCILE_MIN_AGE_MS: integerVariable({ min: 0, max: DAY_MS })
    .default(120_000)
    .describe('Objects younger than this are left to their events.'),
  LONGSHORE_ABANDONED_UPLOAD_MS: integerVariable({ min: 1_000, max: 30 * DAY_MS })
    .default(DAY_MS)
    .describe('Multipart uploads older than this are aborted unless a job can still continue them.'),
  LONGSHORE_RETENTION_DAYS: integerVariable({ min: 31, max: 36_500 })
    .default(400)
    .describe('How long attempts, audit events, records and business keys are kept. Whole months are dropped.'),
  LONGSHORE_FILE_RETENTION_DAYS: integerVariable({ min: 0, max: 36_500 })
    .refine((days) => days === 0 || days >= LEAST_FILE_DAYS, { error: `must be 0, or at least ${LEAST_FILE_DAYS}` })
    .default(400)
    .describe(
      'How long a finished file is kept, with its jobs and its objects, where neither its routes nor its tenant have a `retention`. At least 15; 0 keeps such files for good.',
    ),
  LONGSHORE_EXPIRY_MS: integerVariable({ min: 100, max: DAY_MS })
    .default(3_600_000)
    .describe('How often files that have expired are looked for and deleted.'),
  LONGSHORE_EXPIRY_FILES_PER_SECOND: integerVariable({ min: 1, max: 100_000 })
    .default(500)
    .describe('Maximum number of expired files that one sweeper deletes in a second.'),
  LONGSHORE_EVIDENCE_MS: integerVariable({ min: 0, max: DAY_MS })
    .default(60_000)
    .describe(
      'How long a sealed line of the audit waits at most before it is written to the bucket evidence; 0 writes none.',
    ),
  LONGSHORE_TOPICS_ARN: z
    .string()
    .regex(/^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:$/, 'must be such as arn:aws:sns:us-east-1:111122223333:')
    .optional()
    .describe(
      'Beginning of the ARNs of the topics, such as `arn:aws:sns:us-east-1:111122223333:`. Without it they are asked for by name, which takes `sns:CreateTopic`.',
    ),
  ...secretVariables,
  LONGSHORE_STORE_ADDRESSES: networksVariable
    .optional()
    .describe(
      'Private addresses and networks of external stores that may be used, comma-separated. Use the same value for every service that has it.',
    ),
  LONGSHORE_NOTICE_ADDRESSES: networksVariable
    .optional()
    .describe('Private addresses and networks of webhooks that may be called, comma-separated, such as `10.1.0.0/16`.'),
  LONGSHORE_NOTICE_ATTEMPTS: integerVariable({ min: 1, max: 100 })
    .default(15)
    .describe(
      'Attempts for one notice before it is parked. The default spreads them over about five and a half hours.',
    ),
  ...mailVariables,
  ...linkVariables,
  LONGSHORE_PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'Address at which people reach the control API, such as `https://longshore.example.com`. Notices have no review links without it.',
    ),
});

const schema = variables.superRefine(checkMail);

export type RetrySweeperConfig = z.output<typeof schema>;

export function loadRetrySweeperConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): RetrySweeperConfig {
  return loadConfig(schema, env);
}
