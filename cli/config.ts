/** The environment of the command line. */
import { z } from 'zod';
import { loadConfig } from '#shared/runtime/config/load-config.ts';

export const variables = z.object({
  LONGSHORE_API: z.string().optional().describe('Address of the API. Defaults to that of `LONGSHORE_HOME`.'),
  LONGSHORE_API_KEY: z
    .string()
    .optional()
    .describe('The API key itself. Prefer `--key-file`, which other users of the machine cannot see.'),
  LONGSHORE_HOME: z
    .string()
    .optional()
    .describe(
      'Home of the one-machine stack, used when no address is given. Defaults to `.longshore` in the working directory, else in the clone.',
    ),
  INIT_CWD: z.string().optional().describe('Set by npm: the directory in which the command was called.'),
});

export type CliConfig = z.output<typeof variables>;

export function readConfig(env: NodeJS.ProcessEnv = process.env): CliConfig {
  return loadConfig(variables, env);
}
