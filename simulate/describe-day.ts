/** A played day in figures: what was assumed, how old files got, each service, and the day by hours. */
import { DAY_SECONDS, DAYS } from './days.ts';
import type { Ages } from './measure-ages.ts';
import type { PlayedDay, PlayedService } from './play-day.ts';

const HOUR_SECONDS = 3_600;
/** Two digits are enough of what is slow. */
const rate = (perSecond: number) => perSecond.toFixed(perSecond < 10 ? 2 : 0);
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function describeDay(played: PlayedDay): string[] {
  return [
    ...describeAssumptions(played),
    '',
    ...describeAges(played),
    '',
    ...asTable(
      ['service', 'tasks', 'most waiting', 'oldest', 'task hours', 'USD'],
      played.services.map(describeService),
    ),
    `Tasks of the day cost ${played.costUsd.toFixed(2)} USD.`,
    '',
    ...asTable(['hour', 'files', 'most waiting', 'oldest', 'tasks'], describeHours(played)),
  ];
}

function describeAssumptions({ options, services }: PlayedDay): string[] {
  const { platform } = options;
  return [
    `${whole.format(options.files)} files, ${options.day}: ${DAYS[options.day].description}.`,
    `Readings of ${platform.readingSeconds} s, ${platform.readingDelaySeconds} s late; growing after ${platform.growReadings} of them, when late after ${platform.lateReadings}; a task works ${platform.taskStartSeconds} s after it is asked for;`,
    `one in ten may go each ${platform.shrinkCooldownSeconds} s after ${platform.quietReadings} quiet readings; the database bears ${whole.format(options.databaseFilesPerSecond)} files/s.`,
    ...describeSchedule(options),
    '',
    ...asTable(
      ['what a busy task does', 'files/s', 'measured by'],
      services.map(({ name, filesPerSecondPerTask, source }) => [name, rate(filesPerSecondPerTask), source]),
    ),
  ];
}

function describeSchedule({ scheduledMinimums, scheduleFactor }: PlayedDay['options']): string[] {
  if (scheduledMinimums.length === 0 || scheduleFactor === 0) return ['No scheduled minimum.'];
  return scheduledMinimums.map(({ name, days, from, until, timeZone, tasks }) => {
    const least = Object.entries(tasks).map(([service, count]) => `${service} ${(count ?? 0) * scheduleFactor}`);
    return `Scheduled, ${name}: ${from} to ${until} in ${timeZone}, ${days.join(' ')}: at least ${least.join(', ')}.`;
  });
}

function describeAges({ ages, burstAges, orderedAges, oldestAgeP95Seconds }: PlayedDay): string[] {
  const row = (name: string, { files, p50Seconds, p95Seconds, maxSeconds }: Ages) => [
    name,
    whole.format(files),
    ...[p50Seconds, p95Seconds, maxSeconds].map((seconds) => `${seconds} s`),
  ];
  const rows = [
    row('all files', ages),
    ...(burstAges === undefined ? [] : [row('of bursts', burstAges)]),
    ...(orderedAges === undefined ? [] : [row('in order', orderedAges)]),
  ];
  return [
    ...asTable(['from arrival to end', 'files', 'p50', 'p95', 'most'], rows),
    `In 95 % of the day’s seconds no small file in the fleet is older than ${oldestAgeP95Seconds} s.`,
  ];
}

function describeService({ name, queue, taskHours, costUsd }: PlayedService): string[] {
  return [
    name,
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
