/** `npm run cost -- --files-per-day 1000000 --avg-size 2MB`: the month's bill of a load, by service, with what was assumed. */
import { parseArgs } from 'node:util';
import { DATABASE_CAPACITY } from '#shared/scaling/database-capacity.ts';
import { FLEET_SIZES } from '../sizes.ts';
import { ASSUMPTIONS, NOT_COUNTED } from './assumptions.ts';
import { fleetCost, laneCost, mailCost, serverlessCost, standbyCost, total } from './estimate.ts';
import { type Load, parseBytes } from './load.ts';
import { PRICES_AS_OF } from './prices.ts';
import type { CostLine } from './storage.ts';

const { values } = parseArgs({
  options: {
    'files-per-day': { type: 'string', default: '1000000' },
    'avg-size': { type: 'string', default: '2MB' },
    month: { type: 'string', default: '12' },
    mails: { type: 'string', default: '1000000' },
  },
});
const load = readLoad(values['files-per-day'], values['avg-size'], values.month);
const mails = Number(values.mails);
if (!Number.isInteger(mails) || mails < 0) throw new RangeError(`${values.mails} is not a number of mails`);
process.stdout.write(describe(load));

function readLoad(files: string, size: string, months: string): Load {
  const filesPerDay = Number(files);
  if (!Number.isInteger(filesPerDay) || filesPerDay < 1) throw new RangeError(`${files} is not a number of files`);
  const month = Number(months);
  if (!Number.isInteger(month) || month < 1) throw new RangeError(`${months} is not the number of a month`);
  return { filesPerDay, averageBytes: parseBytes(size), month };
}

function describe(load: Load): string {
  const { archiveDays, databaseCapacity } = FLEET_SIZES.prod;
  const assumed = {
    ...ASSUMPTIONS,
    archiveDays,
    databaseUnitsLeast: databaseCapacity.min,
    databaseUnitsMost: databaseCapacity.max,
    databaseMsPerFile: DATABASE_CAPACITY.cpuMsPerFile,
  };
  const table = (title: string, bill: (of: Load) => readonly CostLine[]) => describeBill(title, bill, load);
  const sumsOf = (title: string, bill: (of: Load) => readonly CostLine[]) => {
    const lines = table(title, bill);
    return [...lines.slice(0, 2), ...lines.slice(-2)];
  };
  return [
    `${load.filesPerDay.toLocaleString('en')} files a day of ${(load.averageBytes / 1e6).toLocaleString('en')} MB, us-east-1, size prod`,
    `List prices in US dollars a month, written down by hand from AWS’s public price pages as of ${PRICES_AS_OF} (deploy/cost/prices.ts)`,
    '',
    ...table('Longshore, one region', fleetCost),
    '',
    ...table('Its standby in another region', standbyCost),
    '',
    ...sumsOf('Both regions', (of) => [...fleetCost(of), ...standbyCost(of)]),
    '',
    ...table('Step Functions + Lambda + DynamoDB', serverlessCost),
    '',
    ...list('Each lane with its own tasks (ownLanes), idle', laneCost()),
    '',
    ...list(`${mails.toLocaleString('en')} mails of campaigns`, mailCost(mails)),
    '',
    'Assumed',
    ...Object.entries(assumed).map(([name, value]) => `  ${name.padEnd(26)} ${value}`),
    '',
    'Not counted',
    ...NOT_COUNTED.map((each) => `  ${each}`),
    '',
  ].join('\n');
}

function list(title: string, lines: readonly CostLine[]): string[] {
  return [title, ...lines.map(({ service, dollars, from }) => `  ${service.padEnd(20)}${money(dollars)}   ${from}`)];
}

function money(dollars: number): string {
  return dollars.toFixed(2).padStart(12);
}

/** The first month and the one that was asked for side by side: what is kept is not there yet in the first. */
function describeBill(title: string, bill: (load: Load) => readonly CostLine[], load: Load): string[] {
  const [first, later] = [bill({ ...load, month: 1 }), bill(load)];
  const perMillion = (sum: number) => money((sum / (load.filesPerDay * ASSUMPTIONS.daysPerMonth)) * 1e6);
  const [firstTotal, laterTotal] = [total(first), total(later)];
  const head = `${'month 1'.padStart(12)}${`month ${load.month}`.padStart(12)}`;
  return [
    title,
    `  ${''.padEnd(20)}${head}`,
    ...later.map(
      ({ service, dollars, from }, index) =>
        `  ${service.padEnd(20)}${money(first[index]?.dollars ?? 0)}${money(dollars)}   ${from}`,
    ),
    `  ${'total'.padEnd(20)}${money(firstTotal)}${money(laterTotal)}`,
    `  ${'for a million files'.padEnd(20)}${perMillion(firstTotal)}${perMillion(laterTotal)}`,
  ];
}
