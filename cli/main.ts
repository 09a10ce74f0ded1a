/** `longshore`: the operators' command line. It talks to the API and to nothing else. */
import { Command, CommanderError } from 'commander';
import { addAccessCommands } from './commands/access.ts';
import { addApply } from './commands/apply.ts';
import { addDeadLetterCommands } from './commands/dead-letters.ts';
import { addFiles } from './commands/files.ts';
import { addJobCommands } from './commands/jobs.ts';
import { addKeyCommands } from './commands/keys.ts';
import { addListJobs } from './commands/list-jobs.ts';
import { addNotices } from './commands/notices.ts';
import { addRecords } from './commands/records.ts';
import { addRetry } from './commands/retry.ts';
import { addRouteCommands } from './commands/routes.ts';
import { addStatus } from './commands/status.ts';
import { readConfig } from './config.ts';
import { EXIT, EXIT_CODES_HELP } from './exit-codes.ts';
import { reportFailure } from './terminal.ts';

const program = new Command('longshore')
  .description('Where files are, what became of them, and what to do about it.')
  .exitOverride()
  // Options of a command below another are its own, also those that both take.
  .enablePositionalOptions()
  .showHelpAfterError('Run it with --help to see what it takes.')
  .addHelpText('after', EXIT_CODES_HELP);

// A reader that closes the pipe early (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT.refused));

try {
  const config = readConfig();
  for (const add of [
    addApply,
    addStatus,
    addFiles,
    addListJobs,
    addJobCommands,
    addRecords,
    addRetry,
    addDeadLetterCommands,
    addNotices,
    addRouteCommands,
    addKeyCommands,
    addAccessCommands,
  ])
    add(program, config);
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else process.exitCode = reportFailure(error, process.argv.includes('--json'));
}
