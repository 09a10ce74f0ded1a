/** `longshore`: the operators' command line. It talks to the API and to nothing else. */
import { CommanderError } from 'commander';
import { readConfig } from './config.ts';
import { createProgram } from './create-program.ts';
import { EXIT } from './exit-codes.ts';
import { createTerminal, reportFailure, type Streams } from './terminal.ts';

/** Resolves to the exit code; `env` is the process's when absent. */
export async function runCli(args: readonly string[], streams: Streams, env?: NodeJS.ProcessEnv): Promise<number> {
  const terminal = createTerminal(streams);
  let code: number = EXIT.done;
  try {
    const program = createProgram({
      config: readConfig(env),
      terminal,
      now: () => Date.now(),
      exitWith: (given) => {
        code = given;
      },
    });
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    return reportFailure(error, { terminal, isJson: args.includes('--json') });
  }
}
