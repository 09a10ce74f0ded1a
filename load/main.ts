/** `npm run load -- <name>`: load on a whole fleet as its users make it; exit code 1 when a bound is missed. */
import { Command, InvalidArgumentError } from 'commander';
import { parseSizeBytes } from '#shared/definitions/size.ts';
import type { LoadApiOptions } from './load-api.ts';
import type { LoadBackpressureOptions } from './load-backpressure.ts';
import type { LoadFilesOptions } from './load-files.ts';
import type { LoadParallelOptions } from './load-parallel.ts';

const program = new Command('load').description('Load a fleet from outside and check what it promises.');

for (const way of ['sftp', 's3'] as const) {
  onTarget(program.command(way))
    .description('a steady stream into one directory of one tenant, then a burst there, then one over many directories')
    .option('--minutes <count>', 'how long the steady stream lasts; 0 for none', atLeastZero, 10)
    .option('--rate <count>', 'files a second of the steady stream', positive, 12)
    .option('--burst <count>', 'files at once; 0 for no bursts', wholeNumber, 2_000)
    .option('--directories <count>', 'of the second burst; 1 for none', wholeNumber, 50)
    .option('--size <bytes>', 'size of each file, e.g. 4KB', size, 4_000)
    .action(async (options: LoadFilesOptions) => {
      const { runFilesLoad } = await import('./load-files.ts');
      process.exitCode = (await runFilesLoad(way, options)) ? 0 : 1;
    });
}

onTarget(program.command('parallel'))
  .description('many files at once, so that hundreds of jobs are open side by side')
  .option('--files <count>', 'how many', wholeNumber, 1_000)
  .option('--size <bytes>', 'size of each file', size, 1_000_000)
  .action(async (options: LoadParallelOptions) => {
    const { runParallelLoad } = await import('./load-parallel.ts');
    process.exitCode = (await runParallelLoad(options)) ? 0 : 1;
  });

onTarget(program.command('backpressure'))
  .description('a steady stream while the queues are stopped, and how long it takes to drain them')
  .option('--minutes <count>', 'how long the queues are stopped', positive, 5)
  .option('--rate <count>', 'files a second', positive, 12)
  .option('--size <bytes>', 'size of each file', size, 4_000)
  .option('--stop-command <command>', 'stops the queues, or the services, of a fleet that was not started here')
  .option('--start-command <command>', 'starts them again')
  .action(async (options: LoadBackpressureOptions) => {
    const { runBackpressureLoad } = await import('./load-backpressure.ts');
    process.exitCode = (await runBackpressureLoad(options)) ? 0 : 1;
  });

onTarget(program.command('api'))
  .description('`/status` at a steady rate')
  .option('--rate <count>', 'requests a second', positive, 500)
  .option('--seconds <count>', 'how long', wholeNumber, 60)
  .option('--files <count>', 'that are asked about', wholeNumber, 200)
  .action(async (options: LoadApiOptions) => {
    const { runApiLoad } = await import('./load-api.ts');
    process.exitCode = (await runApiLoad(options)) ? 0 : 1;
  });

await program.parseAsync();

function onTarget(command: Command): Command {
  return command
    .option('--home <directory>', 'of a fleet that runs on this machine')
    .option('--target <file>', 'that describes a deployment; without both, a fleet is started in a temporary home')
    .option('--json', 'print one JSON object', false);
}

function atLeastZero(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError('Give a number of 0 or more.');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Give a number above 0.');
  return value;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('Give a whole number of 0 or more.');
  return value;
}

function size(text: string): number {
  const bytes = parseSizeBytes(text);
  if (bytes === undefined) throw new InvalidArgumentError('Give a size such as 4KB.');
  return bytes;
}
