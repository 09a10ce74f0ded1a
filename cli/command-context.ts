/** What every command shares: the options for the connection, and how its action is run. */
import type { Command } from 'commander';
import { z } from 'zod';
import { type ApiClient, createApiClient } from './api-client.ts';
import type { CliConfig } from './config.ts';
import { type ConnectionOptions, findConnection } from './find-connection.ts';
import type { Terminal } from './terminal.ts';
import { createTimes, type Times } from './times.ts';

/** What the command line runs in. */
export interface Cli {
  readonly config: CliConfig;
  readonly terminal: Terminal;
  /** In ms since 1970. */
  readonly now: () => number;
  /** The exit code, when it is not 0. */
  exitWith(code: number): void;
}

export interface CommandContext extends Cli {
  readonly api: ApiClient;
  readonly isJson: boolean;
  /** Tenants that the key sees; asked for once. */
  readonly tenants: () => Promise<readonly KnownTenant[]>;
  /** In the time zone of this tenant, else of the only one that the key sees; UTC where there are several, or with `--utc`. */
  readonly times: (tenant?: string) => Promise<Times>;
}

type KnownTenant = z.infer<typeof tenantsSchema>['tenants'][number];

interface SharedOptions extends ConnectionOptions {
  readonly json?: boolean | undefined;
  readonly utc?: boolean | undefined;
}

const tenantsSchema = z.object({ tenants: z.array(z.looseObject({ tenant: z.string(), time_zone: z.string() })) });

/** Adds a command whose action talks to the API, and gives it, for commands below it. */
export function addCommand<Options>(
  program: Command,
  cli: Cli,
  definition: {
    readonly usage: string;
    readonly description: string;
    readonly define?: (command: Command) => void;
    readonly run: (context: CommandContext, options: Options, args: readonly string[]) => Promise<void>;
  },
): Command {
  const command = program.command(definition.usage).description(definition.description);
  definition.define?.(command);
  command
    .option('--utc', "show and read times in UTC instead of the tenant's time zone")
    .option('--json', 'print JSON')
    .option('--api <url>', 'address of the API (LONGSHORE_API; default: the instance started by npm start)')
    .option('--key-file <file>', 'file with the API key (or LONGSHORE_API_KEY)');
  command.action(async (...given: unknown[]) => {
    // What all commands take is in the context: some commands pass the rest of their options on as a query.
    const { json, utc, api, keyFile, ...options } = command.opts<SharedOptions>();
    const client = createApiClient(await findConnection({ api, keyFile }, cli.config));
    const args = given.slice(0, command.registeredArguments.length) as string[];
    await definition.run(createContext(cli, { json, utc }, client), options as Options, args);
  });
  return command;
}

function createContext(cli: Cli, { json, utc }: Pick<SharedOptions, 'json' | 'utc'>, api: ApiClient): CommandContext {
  let known: Promise<readonly KnownTenant[]> | undefined;
  const tenants = () => {
    known ??= api.get('/api/v1/tenants', tenantsSchema).then((reply) => reply.tenants);
    return known;
  };
  return {
    ...cli,
    api,
    isJson: json === true,
    tenants,
    times: async (tenant) => {
      if (utc === true) return createTimes('UTC', cli.now);
      const seen = await tenants();
      const meant = tenant === undefined ? seen : seen.filter((each) => each.tenant === tenant);
      return createTimes(meant.length === 1 ? (meant[0]?.time_zone ?? 'UTC') : 'UTC', cli.now);
    },
  };
}
