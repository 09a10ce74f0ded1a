/** A job as people name it: by its id, or by the file that it carries. */
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import type { CommandContext } from './command-context.ts';

const foundSchema = z.looseObject({ file_id: z.uuid() });
const jobsSchema = z.looseObject({
  jobs: z.array(
    z.looseObject({
      job_id: z.string(),
      route: z.string(),
      state: z.string(),
      superseded_by: z.string().nullish(),
      parent_job_id: z.string().nullish(),
    }),
  ),
});

/**
 * Resolves to `reference` itself when it is a job, or names nothing else.
 *
 * @throws LongshoreError `USAGE` when the file has several jobs, or none.
 */
export async function findJobId({ api }: CommandContext, reference: string): Promise<string> {
  if (z.guid().safeParse(reference).success) return reference;
  const { file_id: id } = await api.get('/status', foundSchema, { query: { file_id: reference } });
  const { jobs: all } = await api.get(`/api/v1/files/${id}`, jobsSchema);
  // Of a route the newest run is meant, and not its branches.
  const jobs = all.filter(
    ({ superseded_by: successor, parent_job_id: parent }) => (successor ?? parent ?? null) === null,
  );
  const [job, ...others] = jobs;
  if (job !== undefined && others.length === 0) return job.job_id;
  throw new LongshoreError('USAGE', `The file ${reference} has ${jobs.length} jobs.`, {
    hint:
      job === undefined
        ? 'No route took it: see `longshore status`.'
        : `Name one of them: ${jobs.map(({ job_id, route, state }) => `${job_id} (${route}, ${state})`).join(', ')}.`,
  });
}
