/** `longshore drill failover`: runs the drill of the source tree, which needs what the image does not hold. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { Cli } from '#cli/command-context.ts';
import { parseCount, parseRate } from '#cli/parse-option.ts';
import { LongshoreError } from '#shared/errors.ts';

const PROGRAM = fileURLToPath(new URL('../../test/drill/main.ts', import.meta.url));

interface FailoverOptions {
  readonly minutes: number;
  readonly rate: number;
  readonly large: number;
  readonly replicaDelay?: number;
  readonly json?: boolean;
}

export function addDrill(program: Command, cli: Cli): void {
  const drill = program.command('drill').description('practise rare operations on this machine, with test data');
  drill
    .command('failover')
    .description(
      'run two homes side by side, lose one under load, promote the other, and go back; about twice as long as the load',
    )
    .option('--minutes <count>', 'how long files are sent, over all phases', parseCount, 4)
    .option('--rate <rate>', 'small files per second', parseRate, 12)
    .option('--large <count>', 'large files being sent at the same time', parseCount, 2)
    .option('--replica-delay <seconds>', 'how long objects wait before they are copied to the other home', parseCount)
    .option('--json', 'print JSON')
    .action(async (options: FailoverOptions) => cli.exitWith(await runProgram(options)));
}

async function runProgram({ minutes, rate, large, replicaDelay, json }: FailoverOptions): Promise<number> {
  if (!existsSync(PROGRAM))
    throw new LongshoreError('USAGE', 'The drill is in the source tree only.', {
      hint: 'Run it in a clone of the repository.',
    });
  const numbers = { minutes, rate, large, 'replica-delay': replicaDelay };
  const flags = Object.entries(numbers).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
  const child = spawn(process.execPath, [PROGRAM, ...flags, ...(json === true ? ['--json'] : [])], {
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
