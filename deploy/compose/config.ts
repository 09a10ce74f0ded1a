/** The variables of the program that prepares the servers of the compose file: those of every service. */
import { z } from 'zod';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { loadConfig } from '#shared/runtime/config/load-config.ts';

const schema = z.object({
  ...fleetVariables,
  /** Of the role by which Grafana reads the database; made when it is given. */
  LONGSHORE_READER_PASSWORD: z.string().min(1).optional(),
});

/** @throws LongshoreError `CONFIG_INVALID` */
export function loadPrepareConfig(env: Readonly<Record<string, string | undefined>> = process.env) {
  return loadConfig(schema, env);
}
