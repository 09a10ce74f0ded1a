/** `npm run simulate -- --day bursty`: a day of files against the scaling policy, as a table and a picture. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { databaseFilesPerSecond } from '#shared/scaling/database-capacity.ts';
import { FARGATE_SCALING } from '#shared/scaling/fargate-scaling.ts';
import { readSettings } from '../deploy/settings.ts';
import { FLEET_SIZES } from '../deploy/sizes.ts';
import { DAYS, type DayName } from './days.ts';
import { describeDay } from './describe-day.ts';
import { drawDay } from './draw-day.ts';
import { playDay } from './play-day.ts';
import { productionFleet } from './production-fleet.ts';

interface SimulateOptions {
  readonly day: DayName;
  readonly files: number;
  readonly factor: number;
  readonly workerRate?: number;
  readonly taskStart: number;
  readonly largeShare: number;
  readonly databaseUnits: number;
  readonly orderedShare: number;
  readonly orderedDirectories: number;
  readonly settings: string;
  readonly schedule: number;
  readonly seed: number;
  readonly svg?: string;
}

const PRODUCTION_SETTINGS = fileURLToPath(new URL('../deploy/settings/prod.yaml', import.meta.url));

const command = new Command('simulate')
  .description('Play a day of files against the scaling policy of the production fleet.')
  .addOption(
    new Option('--day <name>', 'what arrives when').choices(Object.keys(DAYS)).default('bursty' satisfies DayName),
  )
  .option('--files <count>', 'files of the day', positive, 1_000_000)
  .option('--factor <number>', 'so many times the files', positive, 1)
  .option('--worker-rate <files>', 'files a second of one partner-worker task; the benchmark’s when absent', positive)
  .option(
    '--task-start <seconds>',
    'from asking for a task to its first file',
    positive,
    FARGATE_SCALING.taskStartSeconds,
  )
  .option('--ordered-share <share>', 'share of files that a route carries in order', share, 0)
  .option('--ordered-directories <count>', 'directories that those come to', positive, 1)
  .option('--large-share <share>', 'share of files over the large-file threshold', share, 0.001)
  .option(
    '--database-units <count>',
    'capacity units that the database grows to',
    positive,
    FLEET_SIZES.prod.databaseCapacity.max,
  )
  .option('--settings <file>', 'whose first home is played', PRODUCTION_SETTINGS)
  .option('--schedule <factor>', 'so many times its scheduled minimums; 0 for none', atLeastZero, 1)
  .option('--seed <number>', 'another day of the same kind', positive, 1)
  .option('--svg <file>', 'where to draw it')
  .parse();

const options = command.opts<SimulateOptions>();
const played = playDay({
  ...options,
  files: options.files * options.factor,
  fleet: productionFleet(options),
  databaseFilesPerSecond: databaseFilesPerSecond(options.databaseUnits),
  scheduledMinimums: readSettings(options.settings).homes[0]?.scheduledMinimums ?? [],
  scheduleFactor: options.schedule,
  platform: { ...FARGATE_SCALING, taskStartSeconds: options.taskStart },
});
process.stdout.write(`${describeDay(played).join('\n')}\n`);
if (options.svg !== undefined) {
  const path = resolve(options.svg);
  writeFileSync(path, drawDay(played));
  process.stdout.write(`\nDrawn in ${path}\n`);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('Give a number above 0.');
  return value;
}

function atLeastZero(text: string): number {
  return text === '0' ? 0 : positive(text);
}

function share(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 1)) throw new InvalidArgumentError('Give a number from 0 to below 1.');
  return value;
}
