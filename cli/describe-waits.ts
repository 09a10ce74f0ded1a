/**
 * What a file's jobs wait for, and who ends it.
 *
 * A file with a job that waits for a person is `held`; one whose open jobs all wait for a time, a partner or another file is `waiting`: the
 * API calls both `processing`.
 */
import { z } from 'zod';
import type { Times } from './times.ts';

export const waitingJobSchema = z.looseObject({
  job_id: z.string(),
  state: z.string(),
  step: z.string(),
  step_attempts: z.number(),
  max_attempts: z.number(),
  wait_reason: z.string().nullable(),
  next_action_at: z.string().nullable(),
});
type WaitingJob = z.output<typeof waitingJobSchema>;

const OPEN: readonly string[] = ['PENDING', 'RUNNING', 'WAITING'];
const HELD = 'HELD';
/** They are processed meanwhile. */
const RECORDS = 'RECORDS';
const BRANCHES: readonly unknown[] = ['BRANCHES', 'ANY_BRANCH'];

const WAIT_WORDS: Readonly<Record<string, string>> = { QUIET_HOURS: 'its quiet hours', BATCH: 'its batch' };

export function statusWithWaits(status: string, jobs: readonly WaitingJob[]): string {
  if (status !== 'processing') return status;
  if (jobs.some(isHeld)) return 'held';
  const open = jobs.filter(({ state }) => OPEN.includes(state));
  return open.length > 0 && open.every(isWaiting) ? 'waiting' : status;
}

/** A line for each job that waits. */
export function describeWaits(jobs: readonly WaitingJob[], times: Times): string[] {
  return jobs.flatMap((job) => {
    if (isHeld(job)) return [describeHeld(job)];
    return isWaiting(job) ? [describeWaiting(job, times)] : [];
  });
}

function isHeld({ state, wait_reason: reason }: WaitingJob): boolean {
  return state === 'WAITING' && reason === HELD;
}

function isWaiting({ state, wait_reason: reason }: WaitingJob): boolean {
  return state === 'WAITING' && reason !== HELD && reason !== RECORDS && !BRANCHES.includes(reason);
}

function describeHeld({ job_id: id }: WaitingJob): string {
  const word = (name: string) => `longshore ${name} ${id} --reason "..."`;
  return `held for a person: an operator decides by ${word('release')} or ${word('reject')}`;
}

function describeWaiting(
  { step, step_attempts: attempt, max_attempts: most, ...job }: WaitingJob,
  times: Times,
): string {
  const until = job.next_action_at === null ? '' : `, until ${times.show(job.next_action_at)}`;
  return `waiting: ${step}, for ${WAIT_WORDS[job.wait_reason ?? ''] ?? job.wait_reason ?? 'its time'}${until}; ${attempt} of ${most} attempts used`;
}
