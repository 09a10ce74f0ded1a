/** The environment of the command line. */
import { z } from 'zod';
import { loadConfig } from '#shared/runtime/config/load-config.ts';

const configSchema = z.object({
  /** Address of the API. */
  LONGSHORE_API: z.string().optional(),
  /** The key itself; prefer `--key-file`, which other users of the machine cannot see. */
  LONGSHORE_API_KEY: z.string().optional(),
  /** Home of the one-machine stack, whose `endpoints.json` is used when nothing else is said. */
  LONGSHORE_HOME: z.string().default('.longshore'),
  /** Set by npm: the directory that the command was called in, while `npm run` works in the package's. */
  INIT_CWD: z.string().optional(),
});

export type CliConfig = z.output<typeof configSchema>;

export function readConfig(env: NodeJS.ProcessEnv = process.env): CliConfig {
  return loadConfig(configSchema, env);
}
