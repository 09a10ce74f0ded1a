/**
 * Ids of jobs, from which the idempotency keys of their effects are made.
 *
 * 1. The id of a job of a file on a route begins with the time and continues with what the job is for (UUID version 8, RFC 9562). When its
 *    row is lost in a failover, and the other region makes the job again, the time differs and the rest is the same: so are its keys.
 * 2. Any other id is random, and its keys are made from all of it.
 * 3. The id of a branch has the time of its parent's: it is the same whenever the branch is made, also when its worker ended before it could be
 *    written down.
 */
import { hash, randomUUIDv7 } from 'node:crypto';

/** `of`: the file's version and the route; random when absent. */
export function makeJobId(of: readonly unknown[] | undefined, now = Date.now()): string {
  if (of === undefined) return randomUUIDv7();
  const time = now.toString(16).padStart(12, '0');
  const digest = hash('sha256', JSON.stringify(of), 'hex');
  const variant = ((Number.parseInt(digest[3]!, 16) & 0b0011) | 0b1000).toString(16);
  return [
    time.slice(0, 8),
    time.slice(8),
    `8${digest.slice(0, 3)}`,
    variant + digest.slice(4, 7),
    digest.slice(7, 19),
  ].join('-');
}

/** When the job was made, in milliseconds, as its id has it. */
export function madeAt(jobId: string): number {
  return Number.parseInt(jobId.slice(0, 8) + jobId.slice(9, 13), 16);
}

/** What stays the same when the job is made again. */
export function effectSeed(jobId: string): string {
  return jobId[14] === '8' ? jobId.slice(14) : jobId;
}
