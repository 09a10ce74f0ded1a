/** The jobs of a file as a tree: branches and sub-routes come after the job that waits for them. */

export interface TreeJob {
  readonly job_id: string;
  readonly parent_job_id: string | null;
  readonly branch: string | null;
  readonly route: string;
}

export interface PlacedJob<Job> {
  readonly job: Job;
  /** 0 for a job that no other one waits for. */
  readonly depth: number;
}

export function placeJobs<Job extends TreeJob>(jobs: readonly Job[]): PlacedJob<Job>[] {
  const known = new Set(jobs.map(({ job_id: id }) => id));
  const below = Map.groupBy(jobs, ({ parent_job_id: parent }) =>
    parent !== null && known.has(parent) ? parent : undefined,
  );
  const place = (parent: string | undefined, depth: number): PlacedJob<Job>[] =>
    (below.get(parent) ?? []).flatMap((job) => [{ job, depth }, ...place(job.job_id, depth + 1)]);
  return place(undefined, 0);
}

/** E.g. `orders › warehouse`. */
export function jobName({ route, branch }: Pick<TreeJob, 'route' | 'branch'>): string {
  return branch === null ? route : `${route} › ${branch}`;
}
