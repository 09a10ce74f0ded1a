/** `npm run soak -- --minutes 60`: exit code 0 when every guarantee held and no memory grew. `README.md` says what happens in it. */
import { randomInt } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { describeSoak } from './describe-soak.ts';
import { runSoak } from './run-soak.ts';

const program = new Command('soak')
  .description('Load a whole fleet for a long time while parts of it fail, and check its guarantees all along.')
  .option('--minutes <count>', 'how long faults and load last; checks come on top', wholeNumber, 60)
  .option('--rate <count>', 'small files a second; large files and files of records in proportion', positive, 1.5)
  .option('--seed <number>', 'repeats the choices of an earlier run; random when absent', wholeNumber)
  .option('--logs <directory>', 'for the logs of every process and report.json; a new temporary one when absent')
  .action(async (options: { minutes: number; rate: number; seed?: number; logs?: string }) => {
    const logDirectory = options.logs ?? (await mkdtemp(join(tmpdir(), 'longshore-soak-')));
    const seed = options.seed ?? randomInt(1, 1_000_000);
    console.log(`seed ${seed}, logs in ${logDirectory}`);
    const print = (line: string) => console.log(`${new Date().toISOString()} ${line}`);
    const report = await runSoak({ ...options, seed, logDirectory, print });
    await writeFile(join(logDirectory, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
    console.log(['', ...describeSoak(report)].join('\n'));
    process.exitCode = report.isGood ? 0 : 1;
  });

await program.parseAsync();

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Give a whole number of 1 or more.');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Give a number above 0.');
  return value;
}
