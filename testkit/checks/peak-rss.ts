/** What a process has held in memory at most, of which Linux tells. */
import { readFile } from 'node:fs/promises';

/** For a large-file-worker, whatever it carries. */
export const MOST_WORKER_RSS_BYTES = 256_000_000;

/** Of a process that still runs. @throws when it does not, and on systems without `/proc`. */
export async function peakRssBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`/proc/${pid}/status names no VmHWM`);
  return Number(kilobytes) * 1_024;
}
