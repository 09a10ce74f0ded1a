/** The variables that every service of the fleet understands; each service's `config.ts` adds its own. */
import { z } from 'zod';
import { databaseVariables } from '#shared/db/connect-database.ts';
import { regionSchema } from '#shared/definitions/name-schemas.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { tracingVariables } from '#shared/runtime/tracing/tracing-variables.ts';
import { booleanVariable, integerVariable, listVariable, logLevelVariable } from './load-config.ts';

export const fleetVariables = {
  ...databaseVariables,
  ...tracingVariables,
  AWS_REGION: z.string().min(1).describe('Region of queues, topics and buckets.'),
  LONGSHORE_PREFIX: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'lower case letters, digits and hyphens, at most 31')
    .default('longshore')
    .describe('Prefix of the names of queues, buckets and topics. Several fleets can share an account.'),
  LONGSHORE_RECORDED_PREFIX: z
    .string()
    .optional()
    .describe('After a failover: prefix of the buckets that rows name, whose replicas have `LONGSHORE_PREFIX`.'),
  LONGSHORE_REPLICA_LOOK_MS: integerVariable({ min: 100, max: 3_600_000 })
    .default(30_000)
    .describe('After a failover: how often a job looks for an object that had not been copied from the other region.'),
  LONGSHORE_S3_PATH_STYLE: booleanVariable
    .default(false)
    .describe('Set `true` for S3 servers that do not support virtual-hosted buckets.'),
  LONGSHORE_FAIR_QUEUES: booleanVariable
    .default(true)
    .describe("Send each message's tenant to SQS on standard queues. Set `false` for servers that reject it."),
  LONGSHORE_HTTP_HOST: z.string().default('0.0.0.0').describe('Address for health checks and metrics.'),
  LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65_535 })
    .default(9464)
    .describe('Port for health checks and metrics; 0 takes any free port.'),
  LONGSHORE_LEASE_MS: integerVariable({ min: 1_000, max: 600_000 })
    .default(30_000)
    .describe('How long a claim lasts unless it is renewed. After a worker dies, its job waits at most this long.'),
  LONGSHORE_DRAIN_MS: integerVariable({ min: 100, max: 110_000 })
    .default(20_000)
    .describe("How long a stopping service waits for running work. Must be shorter than the platform's stop timeout."),
  LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: integerVariable({ min: 0, max: Number.MAX_SAFE_INTEGER })
    .default(524_288_000)
    .describe('Files larger than this are copied by the large-file-worker. Use the same value for every service.'),
  /**
   * How many wake-ups of one tenant are in a queue of work at once: so many are before another tenant's next. Small where the queues
   * are served in plain order (fauxqs); with fair queues (Amazon SQS) it only bounds what is lost with a queue.
   */
  LONGSHORE_ADMISSION_WINDOW: integerVariable({ min: 1, max: 100_000 })
    .default(1_000)
    .describe(
      'Maximum number of wake-ups of one tenant in a work queue. Use a small value (`npm start` uses 150) where queues are served in plain order.',
    ),
  LOG_LEVEL: logLevelVariable
    .default('info')
    .describe('`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.'),
};

export const homeRegionsVariable = listVariable
  .pipe(z.array(regionSchema).min(1))
  .optional()
  .describe(
    'Home regions of the tenants whose files this fleet processes, comma-separated. Files of other tenants are left to the fleet of their home. Unset: all tenants.',
  );

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
