/** Files, jobs and campaigns as people name them: by an id, or by the name of the file or of the campaign. */
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

const CAMPAIGNS_A_PAGE = 200;
const campaignsSchema = z.object({
  campaigns: z.array(z.looseObject({ transaction_id: z.string(), tenant: z.string(), name: z.string() })),
  next_cursor: z.string().nullable(),
});

function isId(reference: string): boolean {
  return z.guid().safeParse(reference).success;
}

/** Of several files with that name or path, the newest. */
export async function findFileId({ api }: CommandContext, reference: string): Promise<string> {
  if (isId(reference)) return reference;
  return (await api.get('/status', foundSchema, { query: { file_id: reference } })).file_id;
}

/** @throws LongshoreError `USAGE` when no campaign has the name, or several have. */
export async function findCampaignId({ api }: CommandContext, reference: string): Promise<string> {
  if (isId(reference)) return reference;
  const named: string[] = [];
  for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
    const page: z.output<typeof campaignsSchema> = await api.get('/api/v1/campaigns', campaignsSchema, {
      query: { limit: CAMPAIGNS_A_PAGE, cursor },
    });
    const found = page.campaigns.filter(({ name }) => name === reference);
    named.push(...found.map(({ transaction_id: id }) => id));
    cursor = page.next_cursor ?? undefined;
  }
  const [id, ...others] = named;
  if (id !== undefined && others.length === 0) return id;
  if (id === undefined)
    throw new LongshoreError('USAGE', `There is no campaign ${reference}.`, { hint: 'See `longshore campaigns`.' });
  throw new LongshoreError('USAGE', `${named.length} campaigns are named ${reference}.`, {
    hint: `Name one by its id, newest first: ${named.join(', ')}.`,
  });
}

/**
 * Resolves to `reference` itself when it is a job, or names nothing else.
 *
 * @throws LongshoreError `USAGE` when the file has several jobs, or none.
 */
export async function findJobId(context: CommandContext, reference: string): Promise<string> {
  if (isId(reference)) return reference;
  const id = await findFileId(context, reference);
  const { jobs: all } = await context.api.get(`/api/v1/files/${id}`, jobsSchema);
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
