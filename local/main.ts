/**
 * `npm start`: the whole fleet on this machine, until Ctrl-C. `-- --scale auto` lets services grow with what waits for them.
 *
 * 1. What makes a start impossible is one sentence and exit code 1, never a stack trace.
 * 2. A second Ctrl-C, or one while starting, ends this process at once; the guardian then ends the children.
 */
import { resolve } from 'node:path';
import { inheritedEnvironment, type LauncherConfig, loadLauncherConfig } from '#local/launcher/config.ts';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { createConsoleLink } from '#local/launcher/console-link.ts';
import { describeStack } from '#local/launcher/describe-stack.ts';
import { type Examples, prepareExamples } from '#local/launcher/load-examples.ts';
import { reportFiles } from '#local/launcher/report-files.ts';
import { MOST_INSTANCES, parseScale, type Scale } from '#local/launcher/scale-option.ts';
import { type Stack, startStack } from '#local/stack.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { stopSignal } from '#shared/runtime/shutdown.ts';

const INTERRUPTED = 130;
/** Their message names the way out, so the code's general remedy would only repeat it. */
const SELF_EXPLAINING = new Set<string>(['HOME_IN_USE', 'PORT_IN_USE', 'CHILD_NOT_READY']);

const print = (line: string) => void process.stdout.write(`${line}\n`);

interface StartOptions {
  readonly config: LauncherConfig;
  readonly scale: Scale;
  readonly examples: Examples | undefined;
}

async function start({ config, scale, examples }: StartOptions): Promise<{ stack: Stack; sql: Sql }> {
  const startedAt = performance.now();
  const home = resolve(config.LONGSHORE_HOME);
  const stack = await startStack({
    home,
    portBase: config.LONGSHORE_PORT_BASE,
    env: { all: inheritedEnvironment() },
    scale,
    buildsPages: true,
    ...(examples === undefined
      ? {}
      : { tenants: examples.tenants, beforeReady: ({ endpoints }) => examples.applyDefinitions(endpoints.postgres) }),
  });
  const tookMs = performance.now() - startedAt;
  const sql = connectLauncher(stack.endpoints.postgres);
  const consoleLink = await createConsoleLink(sql, stack.endpoints);
  for (const line of describeStack({ endpoints: stack.endpoints, home, tookMs, consoleLink })) print(line);
  return { stack, sql };
}

const HELP = `Usage: npm start -- [options]

Runs the whole fleet on this machine until Ctrl-C.

Options:
  --scale auto             let services grow with the work that waits for them
  --scale <service>=<n>    run n instances of a service, 1 to ${MOST_INSTANCES}; may be given more than once
  --help                   print this

Environment:
  LONGSHORE_HOME           directory of all data, keys and logs (default .longshore)
  LONGSHORE_PORT_BASE      first port; the others follow it (default 8080)
  LOG_LEVEL                of every process (default info)

docs/reference/configuration.md lists the other variables.`;

async function run(): Promise<number> {
  const words = process.argv.slice(2);
  if (words.includes('--help') || words.includes('-h')) {
    print(HELP);
    return 0;
  }
  const stopRequested = stopSignal();
  const config = loadLauncherConfig();
  const scale = parseScale(words);
  const examples = await prepareExamples(config.LONGSHORE_HOME, config.LONGSHORE_PORT_BASE);
  const started = await Promise.race([start({ config, scale, examples }), stopRequested.then(() => undefined)]);
  if (started === undefined) return INTERRUPTED;
  const { stack, sql } = started;

  const reporting = new AbortController();
  const reported = reportFiles({ sql, print, signal: reporting.signal });
  // Samples that cannot be sent take nothing from a stack that runs.
  examples?.send(stack.endpoints, print).catch((error: unknown) => print(`The samples could not be sent: ${error}`));

  await stopRequested;
  print('Longshore stops ...');
  reporting.abort();
  await reported;
  await sql.end({ timeout: 1 });
  await stack.stop();
  print('Longshore has stopped');
  return 0;
}

try {
  process.exitCode = await run();
} catch (error) {
  if (!(error instanceof LongshoreError)) throw error;
  process.stderr.write(`${error.message}${SELF_EXPLAINING.has(error.code) ? '' : ` ${error.hint}`}\n`);
  process.exitCode = 1;
}
process.exit();
