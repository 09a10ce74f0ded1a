/** Reads what the services say of themselves, and what Linux says of their processes. */
import { readFile } from 'node:fs/promises';
import { peakRssBytes } from '#shared/testing/peak-rss.ts';

const DEADLINE_MS = 5_000;

/** Sum of all samples of `counter` over the metric pages; a page that does not have it counts 0. */
export async function sumCounter(pages: readonly string[], counter: string): Promise<number> {
  const texts = await Promise.all(pages.map(readPage));
  return texts.reduce((sum, text) => sum + sumSamples(text, counter), 0);
}

async function readPage(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
  return await response.text();
}

function sumSamples(page: string, counter: string): number {
  return page
    .split('\n')
    .filter((line) => line.startsWith(`${counter}{`) || line.startsWith(`${counter} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** The most resident memory a process ever had, in MB (10^6 bytes); from Linux's `/proc`. */
export async function peakRssMb(pid: number): Promise<number> {
  return Math.round((await peakRssBytes(pid)) / 1e6);
}

/** Ticks per second in which Linux counts processor time (`getconf CLK_TCK`; 100 on every platform that Node runs on). */
const TICKS_PER_SECOND = 100;

/** Processor time that a process has used, in ms; for PostgreSQL, with that of its children which ended. */
export async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The second field, the program's name, may hold spaces; counted from behind it, fields 12 to 15 are times.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return (ticks * 1_000) / TICKS_PER_SECOND;
}
