/**
 * Copies while they move: a bar for each in a terminal, drawn over and over; elsewhere a line whenever a tenth more is done, or
 * twice as much of what has no known length.
 *
 * On standard error, as all progress is, so that results can be piped.
 */
import prettyBytes from 'pretty-bytes';
import { z } from 'zod';

export const transferSchema = z.looseObject({
  job_id: z.string().nullable(),
  purpose: z.string(),
  state: z.string(),
  bytes_done: z.number(),
  /** Null while the length is not known. */
  bytes_total: z.number().nullable(),
  bytes_per_second: z.number(),
  seconds_left: z.number().nullable(),
  started_at: z.string(),
});
export type Transfer = z.output<typeof transferSchema>;

export interface ProgressOutput {
  readonly isTerminal: boolean;
  /** In characters; lines that wrap would not be drawn over. */
  readonly columns: number;
  write(text: string): void;
}

export interface ProgressView {
  show(transfers: readonly Transfer[]): void;
  /** Before other lines are written. */
  clear(): void;
}

const MOVING: readonly string[] = ['COPYING', 'COMPLETING'];
const BAR_CELLS = 24;

export function createProgressView(output: ProgressOutput): ProgressView {
  const printed = new Map<string, number>();
  let drawn = 0;

  function clear(): void {
    // Up to the first line of the bars, and everything from there away.
    if (drawn > 0) output.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  }

  function printTenths(transfer: Transfer): void {
    const key = `${transfer.job_id ?? ''} ${transfer.purpose} ${transfer.started_at}`;
    const step = transfer.bytes_total === null ? magnitudeOf(transfer.bytes_done) : Math.floor(shareOf(transfer) * 10);
    if (printed.get(key) === step) return;
    printed.set(key, step);
    output.write(`${transfer.purpose}: ${describeProgress(transfer)}\n`);
  }

  return {
    clear,
    show(transfers) {
      const moving = transfers.filter(({ state }) => MOVING.includes(state));
      if (!output.isTerminal) {
        for (const transfer of moving) printTenths(transfer);
        return;
      }
      clear();
      for (const transfer of moving) output.write(`${drawBar(transfer).slice(0, Math.max(20, output.columns - 1))}\n`);
      drawn = moving.length;
    },
  };
}

function drawBar(transfer: Transfer): string {
  const full = Math.floor(shareOf(transfer) * BAR_CELLS);
  const bar = transfer.bytes_total === null ? '▒'.repeat(BAR_CELLS) : '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
  return `${transfer.purpose.padEnd(9)} ${bar} ${describeProgress(transfer)}`;
}

/** `42%  210 MB of 500 MB  85.3 MB/s  4 s left`; `210 MB  85.3 MB/s` of what has no known length. */
export function describeProgress(transfer: Transfer): string {
  const { state, bytes_done: done, bytes_total: total, bytes_per_second: rate, seconds_left: left } = transfer;
  const parts = [
    ...(total === null
      ? [prettyBytes(done)]
      : [`${Math.floor(shareOf(transfer) * 100)}%`.padStart(4), `${prettyBytes(done)} of ${prettyBytes(total)}`]),
    ...(rate > 0 ? [`${prettyBytes(rate)}/s`] : []),
    ...(left === null ? [] : [`${formatSeconds(left)} left`]),
    ...(state === 'COMPLETING' ? ['completing'] : []),
  ];
  return parts.join('  ');
}

/** Of what has no known length a line is printed whenever it has doubled. */
function magnitudeOf(bytes: number): number {
  return Math.floor(Math.log2(Math.max(1, bytes)));
}

/** 0 of what has no known length. */
function shareOf({ bytes_done: done, bytes_total: total }: Transfer): number {
  if (total === null) return 0;
  return total === 0 ? 1 : Math.min(1, Math.max(0, done / total));
}

function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
