import { expect, test } from 'vitest';
import { jobName, placeJobs } from './job-tree.ts';

const job = (id: string, parent: string | null, branch: string | null = null, route = 'orders') => ({
  job_id: id,
  parent_job_id: parent,
  branch,
  route,
});

test('branches and sub-routes come after the job that waits for them, whatever the order they are in', () => {
  const jobs = [
    job('announce', 'warehouse', null, 'announce'),
    job('warehouse', 'orders', 'warehouse'),
    job('other', null, null, 'other'),
    job('orders', null),
    job('analytics', 'orders', 'analytics'),
  ];
  expect(placeJobs(jobs).map(({ job: { job_id: id }, depth }) => [id, depth])).toEqual([
    ['other', 0],
    ['orders', 0],
    ['warehouse', 1],
    ['announce', 2],
    ['analytics', 1],
  ]);
});

test('a branch whose job is not in sight is shown as a job of its own', () => {
  expect(placeJobs([job('warehouse', 'gone', 'warehouse')])).toHaveLength(1);
});

test('a branch is named after its route', () => {
  expect(jobName(job('a', 'b', 'warehouse'))).toBe('orders › warehouse');
  expect(jobName(job('a', 'b'))).toBe('orders');
});
