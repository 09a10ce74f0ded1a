/** The launcher's variables, and what of its own environment its children get. */
import { z } from 'zod';
import { HIGHEST_OFFSET } from '#local/ports.ts';
import { integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';

export const variables = z.object({
  LONGSHORE_HOME: z.string().default('.longshore').describe('The home directory, relative to the checkout.'),
  LONGSHORE_PORT_BASE: integerVariable({ min: 1, max: 65_535 - HIGHEST_OFFSET })
    .default(8080)
    .describe('First port; every other port is this plus an offset.'),
  LOG_LEVEL: logLevelVariable.optional().describe("Log level of every process, in place of each process's default."),
});

export type LauncherConfig = z.output<typeof variables>;

export function loadLauncherConfig(env: Readonly<Record<string, string | undefined>> = process.env): LauncherConfig {
  return loadConfig(variables, env);
}

/** The stack decides these itself, for each process. */
const OWN_VARIABLES = new Set([
  'LONGSHORE_HOME',
  'LONGSHORE_PORT_BASE',
  'LONGSHORE_HTTP_PORT',
  'LONGSHORE_HTTP_HOST',
  // One name for all would hide who did what.
  'OTEL_SERVICE_NAME',
]);
const FOREIGN_VARIABLES = new Set(['PATH', 'TMPDIR', 'LANG', 'LOG_LEVEL', 'NODE_EXTRA_CA_CERTS']);

/**
 * Settings of Longshore and of traces that a person exports reach every process. Nothing else does: somebody's AWS profile or
 * DATABASE_URL must never make the local fleet work on real buckets.
 */
export function inheritedEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const isInherited = (name: string) =>
    FOREIGN_VARIABLES.has(name) || (/^(LONGSHORE|OTEL)_/.test(name) && !OWN_VARIABLES.has(name));
  const entries = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && isInherited(entry[0]),
  );
  return Object.fromEntries(entries);
}
