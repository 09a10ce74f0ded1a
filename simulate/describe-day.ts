/** A played day in figures: what was assumed, how old files got, each service, and the day by hours. */
import { DAY_SECONDS, DAYS } from './days.ts';
import type { Ages } from './measure-ages.ts';
import type { PlayedDay, PlayedService } from './play-day.ts';

const HOUR_SECONDS = 3_600;
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function describeDay(played: PlayedDay): string[] {
  return [
    ...describeAssumptions(played),
    '',
    ...describeAges(played),
    '',
    ...asTable(
      ['service', 'files/s per task', 'tasks', 'most waiting', 'oldest', 'task hours', 'USD'],
      played.services.map(describeService),
    ),
    `Tasks of the day cost ${played.costUsd.toFixed(2)} USD.`,
    '',
    ...asTable(['hour', 'files', 'most waiting', 'oldest', 'tasks'], describeHours(played)),
  ];
}

function describeAssumptions({ options, services }: PlayedDay): string[] {
  const { platform, fleet } = options;
  const estimated = services.filter(({ isMeasured }) => !isMeasured).map(({ name }) => name);
  return [
    `${whole.format(options.files)} files, ${options.day}: ${DAYS[options.day].description}.`,
    `A partner-worker task does ${fleet['partner-worker'].filesPerSecondPerTask.toFixed(0)} files/s. Estimated, not measured: ${estimated.join(', ')}.`,
    `Metrics every ${platform.readEverySeconds} s and ${platform.readingLagSeconds} s old, a task works ${platform.taskStartSeconds} s after it is asked for,`,
    `tasks shrink at most every ${platform.shrinkEverySeconds} s; the database is assumed to bear ${whole.format(options.databaseFilesPerSecond)} files/s of each service.`,
    options.warmFactor === 1
      ? 'No scheduled action.'
      : `A scheduled action makes the least tasks ${options.warmFactor} times as many from 10 min before each known burst to its end.`,
  ];
}

function describeAges({ ages, burstAges, oldestAgeP95Seconds }: PlayedDay): string[] {
  const row = (name: string, { files, p50Seconds, p95Seconds, maxSeconds }: Ages) => [
    name,
    whole.format(files),
    ...[p50Seconds, p95Seconds, maxSeconds].map((seconds) => `${seconds} s`),
  ];
  const rows = [row('all small files', ages), ...(burstAges === undefined ? [] : [row('of bursts', burstAges)])];
  return [
    ...asTable(['from arrival to end', 'files', 'p50', 'p95', 'most'], rows),
    `In 95 % of the day’s seconds no file in the fleet is older than ${oldestAgeP95Seconds} s.`,
  ];
}

function describeService({ name, filesPerSecondPerTask, queue, taskHours, costUsd }: PlayedService): string[] {
  return [
    name,
    filesPerSecondPerTask.toFixed(1),
    `${highest(queue.runningTasks, 0, DAY_SECONDS, Math.min)} to ${highest(queue.runningTasks)}`,
    whole.format(highest(queue.depth)),
    `${highest(queue.oldestAgeSeconds)} s`,
    taskHours.toFixed(1),
    costUsd.toFixed(2),
  ];
}

function describeHours({ services, oldestAgeSeconds }: PlayedDay): string[][] {
  return Array.from({ length: DAY_SECONDS / HOUR_SECONDS }, (_, hour) => {
    const from = hour * HOUR_SECONDS;
    const to = from + HOUR_SECONDS;
    const files = services[0]?.arrivals.subarray(from, to).reduce((sum, count) => sum + count, 0) ?? 0;
    const tasks = services.map(({ queue }) => highest(queue.runningTasks, from, to));
    const waiting = services.map(({ queue }) => highest(queue.depth, from, to));
    return [
      `${String(hour).padStart(2, '0')}:00`,
      whole.format(files),
      whole.format(Math.max(...waiting)),
      `${highest(oldestAgeSeconds, from, to)} s`,
      tasks.join(' + '),
    ];
  });
}

/** `reduce` and not a spread: a day has more seconds than a call takes arguments. */
function highest(values: Float64Array, from = 0, to = values.length, choose = Math.max): number {
  return values.subarray(from, to).reduce((best, value) => choose(best, value), values[from] ?? 0);
}

/** The first column to the left, figures to the right. */
function asTable(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, column) => Math.max(...[heads, ...rows].map((row) => (row[column] ?? head).length)));
  return [heads, ...rows].map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
}
