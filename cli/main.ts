/** The process of the `longshore` command. */
import { EXIT } from './exit-codes.ts';
import { runCli } from './run-cli.ts';

// A reader that closes the pipe early (`| head`) is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT.refused));

process.exitCode = await runCli(process.argv.slice(2), process);
