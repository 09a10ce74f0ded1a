/** `longshore jobs`: jobs by filters, newest first. */
import type { Command } from 'commander';
import { z } from 'zod';
import { collectPages } from '#cli/collect-pages.ts';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { describeFailure, jobSummarySchema } from '#cli/describe-job.ts';
import { parseCount } from '#cli/parse-option.ts';
import { formatTable } from '#cli/terminal.ts';

const jobPageSchema = z.object({
  jobs: z.array(jobSummarySchema.extend({ file_name: z.string(), created_at: z.string() })),
  next_cursor: z.string().nullable(),
});

interface JobsOptions {
  readonly tenant?: string;
  readonly state?: string;
  readonly held?: boolean;
  readonly waitReason?: string;
  readonly route?: string;
  readonly code?: string;
  readonly cause?: string;
  readonly limit: number;
}

export function addListJobs(program: Command, config: CliConfig): void {
  addCommand<JobsOptions>(program, config, {
    usage: 'jobs',
    description: 'list jobs, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>')
        .option('--state <state>', 'pending, running, waiting, succeeded, failed or cancelled')
        .option('--held', 'those that wait for a person')
        .option('--wait-reason <reason>', 'what they wait for, e.g. breaker-open')
        .option('--route <route>')
        .option('--code <code>', 'which step failed, e.g. DELIVERY_ERROR')
        .option('--cause <cause>', 'what went wrong, e.g. HTTP_503')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async ({ api, isJson, terminal }, { waitReason, limit: most, ...filters }) => {
      const { tenant, state, held, route, code, cause } = filters;
      const { entries, hasMore } = await collectPages(most, async (page) => {
        const query = { tenant, state, held, wait_reason: waitReason, route, code, cause, ...page };
        const { jobs, next_cursor } = await api.get('/api/v1/jobs', jobPageSchema, { query });
        return { entries: jobs, next: next_cursor };
      });
      if (isJson) return terminal.json(entries);
      const rows = entries.map((job) => [
        job.job_id,
        job.customer_id,
        job.route,
        job.state,
        job.wait_reason,
        job.step,
        job.created_at,
        job.file_name,
        describeFailure(job.error),
      ]);
      const headings = ['JOB', 'TENANT', 'ROUTE', 'STATE', 'WAITS FOR', 'STEP', 'CREATED', 'FILE', 'ERROR'];
      for (const line of formatTable(headings, rows)) terminal.line(line);
      if (hasMore) terminal.note('There are more; narrow the filters or raise --limit.');
    },
  });
}
