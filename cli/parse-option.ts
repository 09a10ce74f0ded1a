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
