/** `npm run load -- <name>`: load on a whole fleet as its users make it; exit code 1 when a bound is missed. */
import { Command, InvalidArgumentError } from 'commander';
import { parseSizeBytes } from '#shared/definitions/size.ts';
import type { FrontDoorOptions } from './front-door.ts';

const program = new Command('load').description('Load a fleet from outside and check what it promises.');

program
  .command('front-door')
  .description('a steady stream of files over SFTP into one directory of one tenant, then a burst')
  .option('--minutes <count>', 'how long the steady stream lasts', positive, 10)
  .option('--rate <count>', 'files a second of the steady stream', positive, 12)
  .option('--burst <count>', 'files at once, over 20 connections', wholeNumber, 2_000)
  .option('--size <bytes>', 'size of each file, e.g. 4KB', size, 4_000)
  .option('--home <directory>', 'of a running fleet; a fleet is started in a temporary home when absent')
  .option('--json', 'print one JSON object', false)
  .action(async (options: FrontDoorOptions) => {
    const { runFrontDoorLoad } = await import('./front-door.ts');
    process.exitCode = (await runFrontDoorLoad(options)) ? 0 : 1;
  });

await program.parseAsync();

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
