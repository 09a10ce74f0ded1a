/** `longshore job`, `cancel`, `skip`, `release` and `reject`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { auditSchema, describeAudit } from '#cli/describe-audit.ts';
import { describeJob, failureSchema, jobSummarySchema } from '#cli/describe-job.ts';
import { findJobId } from '#cli/find-by-name.ts';
import { formatTable } from '#cli/terminal.ts';

const detailSchema = jobSummarySchema.extend({
  open_records: z.number().nullable(),
  record_summary: z
    .looseObject({ by_state: z.record(z.string(), z.number()), by_code: z.record(z.string(), z.number()) })
    .nullable(),
  steps: z.array(
    z.looseObject({
      seq: z.number(),
      kind: z.string(),
      state: z.string(),
      attempts: z.number(),
      finished_at: z.string().nullable(),
      error: failureSchema.nullable(),
    }),
  ),
  branches: z
    .array(
      z.looseObject({
        job_id: z.string(),
        seq: z.number(),
        branch: z.string().nullable(),
        route: z.string(),
        state: z.string(),
        step: z.string(),
        error: failureSchema.nullable(),
      }),
    )
    .default([]),
  audit: auditSchema,
});

type Detail = z.infer<typeof detailSchema>;

export function addJobCommands(program: Command, cli: Cli): void {
  addCommand<{ all?: boolean }>(program, cli, {
    usage: 'job <job>',
    description:
      'show a job with its steps and its audit: by its id, or by the id, name or path of a file with one job',
    define: (command) => command.option('--all', 'show each event of its records on a separate line'),
    run: async (context, { all }, [id = '']) => {
      const { api, isJson, terminal } = context;
      const job = await api.get(`/api/v1/jobs/${await findJobId(context, id)}`, detailSchema);
      if (isJson) return terminal.json(job);
      const times = await context.times(job.customer_id);
      for (const line of describeJob(job, times)) terminal.line(line);
      const steps = job.steps.map((step) => [
        step.seq,
        step.kind,
        step.state,
        step.attempts,
        times.show(step.finished_at),
        step.error?.cause,
      ]);
      terminal.line('');
      for (const line of formatTable(['STEP', 'KIND', 'STATE', 'ATTEMPTS', 'FINISHED', 'ERROR'], steps))
        terminal.line(line);
      for (const line of describeBranches(job)) terminal.line(line);
      for (const line of describeRecords(job)) terminal.line(line);
      terminal.line('');
      for (const line of describeAudit(all === true ? job.audit : foldRecords(job.audit), times)) terminal.line(line);
    },
  });

  const verbs = [
    { verb: 'cancel', description: 'end an open job' },
    { verb: 'skip', description: 'let the files behind a failed or open job of an ordered route continue without it' },
    { verb: 'release', description: 'let a held job continue: the accepted rows of its file are sent' },
    { verb: 'reject', description: 'end a held job: none of its records are sent' },
  ];
  for (const { verb, description } of verbs) {
    addCommand<{ reason: string }>(program, cli, {
      usage: `${verb} <job>`,
      description,
      define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
      run: async (context, { reason }, [reference = '']) => {
        const id = await findJobId(context, reference);
        const job = await context.api.post(`/api/v1/jobs/${id}/${verb}`, jobSummarySchema, { body: { reason } });
        if (context.isJson) return context.terminal.json(job);
        for (const line of describeJob(job, await context.times(job.customer_id))) context.terminal.line(line);
      },
    });
  }
}

const OF_RECORDS: readonly string[] = ['records.swept', 'records.settled'];

/** A run of what sweeps and chunks came to, which a large file has hundreds of, as one event with the sums. */
function foldRecords(audit: Detail['audit']): Detail['audit'] {
  const folded: Detail['audit'] = [];
  for (const event of audit) {
    const last = folded.at(-1);
    if (last === undefined || !OF_RECORDS.includes(event.type) || !OF_RECORDS.includes(last.type)) {
      folded.push(event);
      continue;
    }
    const sum = (name: string) => Number(last.detail[name] ?? 0) + Number(event.detail[name] ?? 0);
    const type = event.type === last.type ? event.type : 'records.settled';
    const detail = {
      events: Number(last.detail.events ?? 1) + 1,
      records: sum('records'),
      success: sum('success'),
      failed: sum('failed'),
      ambiguous: sum('ambiguous'),
      // What is left is not a sum.
      open: event.detail.open ?? last.detail.open,
    };
    folded[folded.length - 1] = { ...event, type, detail };
  }
  return folded;
}

function describeBranches({ branches }: Detail): string[] {
  if (branches.length === 0) return [];
  const rows = branches.map(({ seq, branch, route, job_id: id, state, step, error }) => [
    seq,
    branch ?? route,
    id,
    state,
    step,
    error?.cause,
  ]);
  return ['', ...formatTable(['STEP', 'BRANCH', 'JOB', 'STATE', 'AT', 'ERROR'], rows)];
}

function describeRecords({ open_records: open, record_summary: summary }: Detail): string[] {
  if (summary === null) return [];
  const mostFirst = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).sort(([a, left], [b, right]) => right - left || (a < b ? -1 : 1));
  const counts = [
    ...mostFirst(summary.by_state),
    ...mostFirst(summary.by_code).map(([code, count]) => [`  ${code}`, count] as const),
    ...(open === null ? [] : [['not ended', open] as const]),
  ];
  return ['', ...formatTable(['RECORDS', 'COUNT'], counts)];
}
