/** `longshore drill failover`: exit code 0 when nothing was lost and nothing was done twice. `docs/operations/failover-drill.md`. */
import { Command, InvalidArgumentError } from 'commander';
import { stopSignal } from '#shared/runtime/shutdown.ts';
import { describeDrill } from './describe-drill.ts';
import { runDrill } from './run-drill.ts';

const INTERRUPTED = 130;

const program = new Command('drill')
  .description('Practise a failover: two homes on this machine, the loss of one under load, and the way back.')
  .option('--minutes <count>', 'of load, over all phases', positive, 4)
  .option('--rate <count>', 'small files a second', positive, 12)
  .option('--large <count>', 'large files under way at once', wholeNumber, 2)
  .option('--replica-delay <seconds>', 'how long objects wait before they are copied to the other home', wholeNumber, 0)
  .option('--json', 'print the report as JSON')
  .action(async (options: { minutes: number; rate: number; large: number; replicaDelay: number; json?: boolean }) => {
    const { minutes, rate, large, replicaDelay, json } = options;
    // Its homes end with this process.
    void stopSignal().then(() => process.exit(INTERRUPTED));
    const print = (line: string) => void (json === true ? process.stderr : process.stdout).write(`${line}\n`);
    const report = await runDrill({
      ...{ rate, large, print },
      seconds: minutes * 60,
      replicaDelayMs: replicaDelay * 1_000,
    });
    if (json === true) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else for (const line of ['', ...describeDrill(report)]) print(line);
    process.exitCode = report.faults.length === 0 ? 0 : 1;
  });

await program.parseAsync();

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('Give a whole number of 0 or more.');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Give a number above 0.');
  return value;
}
