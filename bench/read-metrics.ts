/** Reads what the services say of themselves: one counter summed over its labels, and the memory of their processes. */
import { readFile } from 'node:fs/promises';

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
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`/proc/${pid}/status names no VmHWM`);
  return Math.round((Number(kilobytes) * 1_024) / 1e6);
}
