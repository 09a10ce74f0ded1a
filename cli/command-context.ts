/** What every command shares: the options for the connection, and how its action is run. */
import type { Command } from 'commander';
import { type ApiClient, createApiClient } from './api-client.ts';
import type { CliConfig } from './config.ts';
import { type ConnectionOptions, findConnection } from './find-connection.ts';
import { type Terminal, terminal } from './terminal.ts';

export interface CommandContext {
  readonly api: ApiClient;
  readonly config: CliConfig;
  readonly isJson: boolean;
  readonly terminal: Terminal;
  /** The exit code, when it is not 0. */
  exitWith(code: number): void;
}

interface SharedOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** Adds a command whose action talks to the API, and gives it, for commands below it. */
export function addCommand<Options>(
  program: Command,
  config: CliConfig,
  definition: {
    readonly usage: string;
    readonly description: string;
    readonly define?: (command: Command) => void;
    readonly run: (context: CommandContext, options: Options, args: readonly string[]) => Promise<void>;
  },
): Command {
  const command = program
    .command(definition.usage)
    .description(definition.description)
    .option('--api <url>', 'address of the API (LONGSHORE_API; default: the instance started by npm start)')
    .option('--key-file <file>', 'file with the API key (or LONGSHORE_API_KEY)')
    .option('--json', 'print JSON');
  definition.define?.(command);
  command.action(async (...given: unknown[]) => {
    const options = command.opts<Options & SharedOptions>();
    const connection = await findConnection(options, config);
    const context: CommandContext = {
      api: createApiClient(connection),
      config,
      isJson: options.json === true,
      terminal,
      exitWith: (code) => {
        process.exitCode = code;
      },
    };
    const args = given.slice(0, command.registeredArguments.length) as string[];
    await definition.run(context, options, args);
  });
  return command;
}
