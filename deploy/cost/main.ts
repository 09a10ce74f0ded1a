/** `npm run cost -- --files-per-day 1000000 --avg-size 2MB`: the month's bill of a load, by service, with what was assumed. */
import { parseArgs } from 'node:util';
import { type CostLine, fleetCost, mailCost, serverlessCost, total } from './estimate.ts';
import { ASSUMPTIONS, type Load, NOT_COUNTED, parseBytes } from './load.ts';
import { PRICES_AS_OF } from './prices.ts';

const { values } = parseArgs({
  options: {
    'files-per-day': { type: 'string', default: '1000000' },
    'avg-size': { type: 'string', default: '2MB' },
    mails: { type: 'string', default: '1000000' },
  },
});
const load = readLoad(values['files-per-day'], values['avg-size']);
const mails = Number(values.mails);
if (!Number.isInteger(mails) || mails < 0) throw new RangeError(`${values.mails} is not a number of mails`);
process.stdout.write(describe(load));

function readLoad(files: string, size: string): Load {
  const filesPerDay = Number(files);
  if (!Number.isInteger(filesPerDay) || filesPerDay < 1) throw new RangeError(`${files} is not a number of files`);
  return { filesPerDay, averageBytes: parseBytes(size) };
}

function describe(load: Load): string {
  const assumed = Object.entries(ASSUMPTIONS).map(([name, value]) => `  ${name.padEnd(26)} ${value}`);
  return [
    `${load.filesPerDay.toLocaleString('en')} files a day of ${(load.averageBytes / 1e6).toLocaleString('en')} MB, us-east-1, size prod`,
    `List prices in US dollars a month, written down by hand from AWS’s public price pages as of ${PRICES_AS_OF} (deploy/cost/prices.ts)`,
    '',
    ...table('Longshore', fleetCost(load), load),
    '',
    ...table('Step Functions + Lambda + DynamoDB', serverlessCost(load), load),
    '',
    ...table(`${mails.toLocaleString('en')} mails of campaigns`, mailCost(mails)),
    '',
    'Assumed',
    ...assumed,
    '',
    'Not counted',
    ...NOT_COUNTED.map((each) => `  ${each}`),
    '',
  ].join('\n');
}

function perMillion(sum: number, { filesPerDay }: Load): string {
  return ((sum / (filesPerDay * ASSUMPTIONS.daysPerMonth)) * 1e6).toFixed(2);
}

function table(title: string, lines: readonly CostLine[], forFiles?: Load): string[] {
  const money = (dollars: number) => dollars.toFixed(2).padStart(12);
  const sum = total(lines);
  return [
    title,
    ...lines.map(({ service, dollars, from }) => `  ${service.padEnd(18)}${money(dollars)}   ${from}`),
    `  ${'total'.padEnd(18)}${money(sum)}   ${forFiles === undefined ? '' : `${perMillion(sum, forFiles)} for a million files`}`.trimEnd(),
  ];
}
