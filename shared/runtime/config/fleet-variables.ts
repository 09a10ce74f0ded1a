/** The variables that every service of the fleet understands; each service's `config.ts` adds its own. */
import { z } from 'zod';
import { databaseVariables } from '#shared/db/connect-database.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { tracingVariables } from '#shared/runtime/tracing/tracing-variables.ts';
import { booleanVariable, integerVariable, logLevelVariable } from './load-config.ts';

export const fleetVariables = {
  ...databaseVariables,
  ...tracingVariables,
  AWS_REGION: z.string().min(1),
  /** One prefix names queues, buckets and topics: see `resource-names.ts`. */
  LONGSHORE_PREFIX: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'lower case letters, digits and hyphens, at most 31')
    .default('longshore'),
  /** S3 servers without a wildcard DNS name want the bucket in the path. */
  LONGSHORE_S3_PATH_STYLE: booleanVariable.default(false),
  /** Tells SQS each message's tenant on standard queues too (fair queues); false for servers that refuse a group there. */
  LONGSHORE_FAIR_QUEUES: booleanVariable.default(true),
  /** Health and metrics. */
  LONGSHORE_HTTP_HOST: z.string().default('0.0.0.0'),
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 }).default(9464),
  /** How long a claim lasts unless renewed: the longest that a job waits after its worker died. */
  LONGSHORE_LEASE_MS: integerVariable({ min: 1_000, max: 600_000 }).default(30_000),
  /** How long a stopping service lets running work end; shorter than the platform's stop timeout. */
  LONGSHORE_DRAIN_MS: integerVariable({ min: 100, max: 110_000 }).default(20_000),
  /** A file of exactly this size is small. */
  LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: integerVariable({ min: 0, max: Number.MAX_SAFE_INTEGER }).default(524_288_000),
  /**
   * How many wake-ups of one tenant stand in a queue of work at once: so many stand before another tenant's next. Small where the queues
   * are served in plain order (fauxqs); with fair queues (Amazon SQS) it only bounds what is lost with a queue.
   */
  LONGSHORE_ADMISSION_WINDOW: integerVariable({ min: 1, max: 100_000 }).default(1_000),
  LOG_LEVEL: logLevelVariable.default('info'),
};

export const networksVariable = z
  .string()
  .transform((text) => text.split(',').map((network) => network.trim()))
  .refine(
    (networks) => {
      try {
        createAddressGuard({ allow: networks });
        return true;
      } catch {
        return false;
      }
    },
    { error: 'must be addresses and networks with commas between, e.g. 10.1.0.0/16,::1' },
  );
