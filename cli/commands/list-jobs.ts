/** `longshore jobs`: jobs by filters, newest first. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { describeFailure, jobSummarySchema } from '#cli/describe-job.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount, parseList } from '#cli/parse-option.ts';

const jobPageSchema = z.object({
  jobs: z.array(jobSummarySchema.extend({ file_name: z.string(), created_at: z.string() })),
  next_cursor: z.string().nullable(),
});

interface JobsOptions {
  readonly tenant?: string;
  readonly state?: string[];
  readonly held?: boolean;
  readonly waitReason?: string;
  readonly route?: string;
  readonly code?: string;
  readonly cause?: string;
  readonly limit: number;
}

export function addListJobs(program: Command, cli: Cli): void {
  addCommand<JobsOptions>(program, cli, {
    usage: 'jobs',
    description: 'list jobs, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only those of this tenant')
        .option(
          '--state <state...>',
          'one or more of pending, running, waiting, succeeded, failed, cancelled',
          parseList,
        )
        .option('--held', 'only those that wait for an operator')
        .option('--wait-reason <reason>', 'what they wait for, e.g. PARTNER_BREAKER_OPEN')
        .option('--route <route>', 'only those of routes with this name')
        .option('--code <code>', 'which step failed, e.g. DELIVERY_ERROR')
        .option('--cause <cause>', 'what went wrong, e.g. HTTP_503')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { waitReason, limit: most, ...filters }) => {
      const { tenant, state, held, route, code, cause } = filters;
      const times = await context.times(tenant);
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const query = { tenant, state: state?.join(), held, wait_reason: waitReason, route, code, cause, ...page };
          const { jobs, next_cursor } = await context.api.get('/api/v1/jobs', jobPageSchema, { query });
          return { entries: jobs, next: next_cursor };
        },
        headings: ['JOB', 'TENANT', 'ROUTE', 'STATE', 'WAITS FOR', 'STEP', 'CREATED', 'FILE', 'ERROR'],
        rowOf: (job) => [
          job.job_id,
          job.customer_id,
          job.route,
          job.state,
          job.wait_reason,
          job.step,
          times.show(job.created_at),
          job.file_name,
          describeFailure(job.error),
        ],
        what: 'jobs',
        filters: { tenant, others: [state, held, waitReason, route, code, cause] },
      });
    },
  });
}
