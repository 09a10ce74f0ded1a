/** Option values that are more than text; a wrong one is told before anything is asked of the API. */
import { InvalidArgumentError } from 'commander';

export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 100_000) throw new InvalidArgumentError('Give 1 to 100000.');
  return count;
}

/** `50` or `50/s`. */
export function parseRate(text: string): number {
  const rate = Number(text.replace(/\/s$/, ''));
  if (!(rate >= 0.2 && rate <= 1_000)) throw new InvalidArgumentError('Give 0.2/s to 1000/s.');
  return rate;
}

const MOST_LINES = 10_000;

/** One line of a file. */
export function parseLine(text: string): number {
  const line = Number(text);
  if (!Number.isSafeInteger(line) || line < 1) throw new InvalidArgumentError('Give a line of the file, from 1.');
  return line;
}

/** `3,5-9`: lines and ranges of them. */
export function parseLines(text: string): number[] {
  const lines: number[] = [];
  for (const part of text.split(',')) {
    const [, from = '', to = from] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (!(Number.isSafeInteger(last) && first >= 1 && first <= last))
      throw new InvalidArgumentError('Give lines of the file, e.g. 3,5-9.');
    if (lines.length + last - first >= MOST_LINES) throw new InvalidArgumentError(`Give at most ${MOST_LINES} lines.`);
    for (let line = first; line <= last; line += 1) lines.push(line);
  }
  return lines;
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `2h` is two hours ago; anything else is an instant, for the API to judge. */
export function parseTime(text: string): string {
  const [, count = '', unit = ''] = /^(\d{1,6})([smhd])(?: ago)?$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  if (unitMs !== undefined) return new Date(Date.now() - Number(count) * unitMs).toISOString();
  if (Number.isNaN(Date.parse(text)))
    throw new InvalidArgumentError('Give an age such as 30m, 2h or 7d, or a time such as 2026-01-31T08:00:00Z.');
  return text;
}
