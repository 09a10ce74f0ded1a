/**
 * A played day as one SVG: arrivals, what waits, its age, tasks and cost, one below the other over the same hours.
 *
 * Drawn by hand: five panels of lines need no library, and the file opens anywhere.
 */
import { DAY_SECONDS } from './days.ts';
import type { PlayedDay } from './play-day.ts';

interface Line {
  readonly name: string;
  readonly values: Float64Array;
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

const WIDTH = 960;
const PANEL_HEIGHT = 130;
const MARGIN = { left: 70, right: 20, top: 50, between: 46 };
const PLOT_WIDTH = WIDTH - MARGIN.left - MARGIN.right;
/** Highest value of each two minutes: more points than pixels are of no use, and a mean would hide the burst. */
const SECONDS_PER_POINT = 120;
/** Okabe and Ito's palette, which colour-blind people tell apart. */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7'];

export function drawDay(played: PlayedDay): string {
  const panels = panelsOf(played);
  const height = MARGIN.top + panels.length * (PANEL_HEIGHT + MARGIN.between);
  const { files, day, scheduledMinimums, scheduleFactor } = played.options;
  const isScheduled = scheduledMinimums.length > 0 && scheduleFactor > 0;
  const title = `${files.toLocaleString('en-US')} files, ${day}${isScheduled ? `, scheduled minimums${scheduleFactor === 1 ? '' : ` × ${scheduleFactor}`}` : ''}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${MARGIN.left}" y="24" font-size="16" font-weight="bold">${title}</text>`,
    ...panels.map((panel, row) => drawPanel(panel, MARGIN.top + row * (PANEL_HEIGHT + MARGIN.between))),
    '</svg>',
    '',
  ].join('\n');
}

function panelsOf({ services, oldestAgeSeconds }: PlayedDay): Panel[] {
  const ofServices = (read: (service: PlayedDay['services'][number]) => Float64Array): Line[] =>
    services.map((service) => ({ name: service.name, values: read(service) }));
  return [
    { title: 'files arriving per second', lines: [{ name: 'all', values: services[0]?.arrivals ?? oldestAgeSeconds }] },
    { title: 'files waiting', lines: ofServices(({ queue }) => queue.depth) },
    { title: 'age of the oldest small file, seconds', lines: [{ name: 'all', values: oldestAgeSeconds }] },
    { title: 'tasks running', lines: ofServices(({ queue }) => queue.runningTasks) },
    {
      title: 'cost of tasks so far, USD',
      lines: ofServices((service) => runningSum(service.queue.paidTasks, service.costUsd)),
    },
  ];
}

/** The day's cost, spread over the seconds by what was paid for in them. */
function runningSum(paidTasks: Float64Array, costUsd: number): Float64Array {
  const total = paidTasks.reduce((sum, tasks) => sum + tasks, 0);
  let sum = 0;
  return paidTasks.map((tasks) => {
    sum += tasks;
    return (costUsd * sum) / total;
  });
}

function drawPanel({ title, lines }: Panel, top: number): string {
  const points = lines.map(({ values }) => thinOut(values));
  const highest = niceCeiling(Math.max(...points.flat()));
  const bottom = top + PANEL_HEIGHT;
  const x = (point: number) => MARGIN.left + (point * SECONDS_PER_POINT * PLOT_WIDTH) / DAY_SECONDS;
  const y = (value: number) => bottom - (value / highest) * PANEL_HEIGHT;
  return [
    `<text x="${MARGIN.left}" y="${top - 8}">${title}</text>`,
    ...[0, 0.5, 1].map((share) => drawLevel(highest * share, y(highest * share))),
    ...[0, 3, 6, 9, 12, 15, 18, 21, 24].map((hour) => drawHour(hour, bottom)),
    ...points.map((values, line) => {
      const path = values.map((value, point) => `${x(point).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
      return `<polyline points="${path}" fill="none" stroke="${COLOURS[line]}" stroke-width="1.3"/>`;
    }),
    ...(lines.length === 1 ? [] : lines.map(({ name }, line) => drawName(name, line, top - 8))),
  ].join('\n');
}

function drawLevel(value: number, y: number): string {
  return [
    `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y}" y2="${y}" stroke="#dddddd"/>`,
    `<text x="${MARGIN.left - 6}" y="${y + 4}" text-anchor="end" fill="#555555">${value.toLocaleString('en-US')}</text>`,
  ].join('');
}

function drawHour(hour: number, bottom: number): string {
  const x = MARGIN.left + (hour * PLOT_WIDTH) / 24;
  return `<text x="${x}" y="${bottom + 15}" text-anchor="middle" fill="#555555">${String(hour).padStart(2, '0')}:00</text>`;
}

function drawName(name: string, line: number, y: number): string {
  const x = WIDTH - MARGIN.right - 560 + line * 145;
  return `<text x="${x}" y="${y}" fill="${COLOURS[line]}">▬ ${name}</text>`;
}

function thinOut(values: Float64Array): number[] {
  const points: number[] = [];
  for (let from = 0; from < values.length; from += SECONDS_PER_POINT) {
    points.push(Math.max(...values.subarray(from, from + SECONDS_PER_POINT)));
  }
  return points;
}

/** 1, 2 or 5 times a power of ten. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? 10 * power;
}
