/** The variables of the ingestor. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';

const schema = z.object({
  ...fleetVariables,
  /** How long an object of an SFTP upload waits for the report that it is whole before it counts as that. */
  LONGSHORE_SFTP_QUIET_MS: integerVariable({ min: 0, max: 86_400_000 }).default(60_000),
  /** Events handled side by side. */
  LONGSHORE_SLOTS: integerVariable({ min: 1, max: 2_000 }).default(200),
  /** Receives side by side. */
  LONGSHORE_POLLERS: integerVariable({ min: 1, max: 10 }).default(2),
});

export type IngestorConfig = z.output<typeof schema>;

export function loadIngestorConfig(env: Readonly<Record<string, string | undefined>> = process.env): IngestorConfig {
  return loadConfig(schema, env);
}
