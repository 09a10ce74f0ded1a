/** Option values that are more than text; a wrong one is reported before anything is asked of the API. */
import { InvalidArgumentError } from 'commander';
import { parseSizeBytes } from '#shared/definitions/size.ts';

export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 100_000) throw new InvalidArgumentError('Give 1 to 100000.');
  return count;
}

/** `512` or `10MB`. */
export function parseBytes(text: string): number {
  const bytes = parseSizeBytes(/^\d+$/.test(text) ? `${text}B` : text);
  if (bytes === undefined) throw new InvalidArgumentError('Give a size such as 512, 10KB, 5MB or 1GiB.');
  return bytes;
}

/** `50` or `50/s`. */
export function parseRate(text: string): number {
  const rate = Number(text.replace(/\/s$/, ''));
  if (!(rate >= 0.2 && rate <= 1_000)) throw new InvalidArgumentError('Give 0.2/s to 1000/s.');
  return rate;
}

/** `5` or `5%`. */
export function parsePercent(text: string): number {
  const percent = Number(text.replace(/%$/, ''));
  if (!(percent >= 0 && percent <= 100) || text === '') throw new InvalidArgumentError('Give 0% to 100%.');
  return percent;
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

/** `failed,quarantined`, and further values of the option. */
export function parseList(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').filter((part) => part !== '')];
}

/** `name=value`, and further values of the option. */
export function parsePair(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Give a name and a value, e.g. kind=invoice.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
