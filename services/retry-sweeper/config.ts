/** The variables of the retry-sweeper. */
import { z } from 'zod';
import { secretNameSchema } from '#shared/definitions/name-schemas.ts';
import { fleetVariables, networksVariable } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';

const DAY_MS = 86_400_000;

const variables = z.object({
  ...fleetVariables,
  /** As for the ingestor: how long an object of an SFTP upload waits for the report that it is whole. */
  LONGSHORE_SFTP_QUIET_MS: integerVariable({ min: 0, max: DAY_MS }).default(60_000),
  /** How often due rows are woken and events published. */
  LONGSHORE_SWEEP_TICK_MS: integerVariable({ min: 10, max: 60_000 }).default(500),
  /** How often the queues' own counts are compared with the rows that should stand in them. */
  LONGSHORE_SWEEP_COUNT_MS: integerVariable({ min: 100, max: 600_000 }).default(3_000),
  /** A wake-up younger than this is not taken for lost: a queue's counts are approximate. */
  LONGSHORE_SWEEP_GRACE_MS: integerVariable({ min: 0, max: 600_000 }).default(5_000),
  /** A wake-up older than this, doubled with each one sent, is sent again whatever the queue counts. */
  LONGSHORE_SWEEP_BOUND_MS: integerVariable({ min: 1_000, max: DAY_MS }).default(90_000),
  /** Most wake-ups that one sweeper sends in a minute. */
  LONGSHORE_SWEEP_WAKES_PER_MINUTE: integerVariable({ min: 1, max: 1_000_000 }).default(30_000),
  /** How often the landing bucket is compared with the table. */
  LONGSHORE_RECONCILE_MS: integerVariable({ min: 1_000, max: DAY_MS }).default(300_000),
  /** Younger objects are left to their events. */
  LONGSHORE_RECONCILE_MIN_AGE_MS: integerVariable({ min: 0, max: DAY_MS }).default(120_000),
  /** An older multipart upload that is no open transfer's, and older than all that runs, is abandoned. Checked as often as landing is compared. */
  LONGSHORE_ABANDONED_UPLOAD_MS: integerVariable({ min: 1_000, max: 30 * DAY_MS }).default(DAY_MS),
  /** How long attempts and audit events are kept; whole months are dropped. */
  LONGSHORE_RETENTION_DAYS: integerVariable({ min: 31, max: 36_500 }).default(400),
  ...secretVariables,
  /** As for the workers: uploads that nobody goes on with are aborted there too. */
  LONGSHORE_STORE_ADDRESSES: networksVariable.optional(),
  /** Addresses of webhooks that are not public and may be called all the same; without it none. */
  LONGSHORE_NOTICE_ADDRESSES: networksVariable.optional(),
  /** Tries of one notice; the default spreads them over some five hours. */
  LONGSHORE_NOTICE_ATTEMPTS: integerVariable({ min: 1, max: 100 }).default(15),
  /** The fleet's mail server; without it channels of mail cannot be used. */
  LONGSHORE_SMTP_HOST: z.string().max(253).optional(),
  LONGSHORE_SMTP_PORT: integerVariable({ min: 1, max: 65_535 }).default(587),
  /** `none` sends in the clear. */
  LONGSHORE_SMTP_TLS: z.enum(['starttls', 'implicit', 'none']).default('starttls'),
  LONGSHORE_SMTP_USER: z.string().max(254).optional(),
  /** Name in the secret store. */
  LONGSHORE_SMTP_PASSWORD_SECRET: secretNameSchema.optional(),
  /** E.g. `Longshore <longshore@example.com>`. */
  LONGSHORE_SMTP_FROM: z
    .string()
    .regex(/^[^\r\n]{3,300}$/, 'must be a mail address')
    .optional(),
});

const schema = variables.superRefine((read, context) => {
  const { LONGSHORE_SMTP_HOST: host, LONGSHORE_SMTP_FROM: from, LONGSHORE_SMTP_TLS: tls } = read;
  const { LONGSHORE_SMTP_USER: user, LONGSHORE_SMTP_PASSWORD_SECRET: password } = read;
  const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  if (host !== undefined && from === undefined) fault('LONGSHORE_SMTP_FROM', 'is needed with LONGSHORE_SMTP_HOST');
  if ((user === undefined) !== (password === undefined))
    fault('LONGSHORE_SMTP_USER', 'belongs together with LONGSHORE_SMTP_PASSWORD_SECRET');
  if (tls === 'none' && user !== undefined) fault('LONGSHORE_SMTP_TLS', 'cannot be none where a password is sent');
});

export type RetrySweeperConfig = z.output<typeof schema>;

export function loadRetrySweeperConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): RetrySweeperConfig {
  return loadConfig(schema, env);
}
