/** The variables of the ingestor. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';

export const variables = z.object({
  ...fleetVariables,
  LONGSHORE_SFTP_QUIET_MS: integerVariable({ min: 0, max: 86_400_000 })
    .default(60_000)
    .describe(
      'How long an object of an SFTP upload waits for the report that the upload is complete. Use the same value for the ingestor and the retry-sweeper.',
    ),
  LONGSHORE_SLOTS: integerVariable({ min: 1, max: 2_000 })
    .default(200)
    .describe('Number of events processed concurrently.'),
  LONGSHORE_POLLERS: integerVariable({ min: 1, max: 10 }).default(4).describe('Number of concurrent receive requests.'),
});

export type IngestorConfig = z.output<typeof variables>;

export function loadIngestorConfig(env: Readonly<Record<string, string | undefined>> = process.env): IngestorConfig {
  return loadConfig(variables, env);
}
