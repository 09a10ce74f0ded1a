/** `longshore job`, `cancel`, `skip`, `release` and `reject`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { describeJob, failureSchema, jobSummarySchema } from '#cli/describe-job.ts';
import { findJobId } from '#cli/find-job-id.ts';
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
  audit: z.array(
    z.looseObject({ at: z.string(), type: z.string(), actor: z.string(), detail: z.record(z.string(), z.unknown()) }),
  ),
});

export function addJobCommands(program: Command, config: CliConfig): void {
  addCommand(program, config, {
    usage: 'job <job>',
    description:
      'show a job with its steps and its audit: by its id, or by the id, name or path of a file with one job',
    run: async ({ api, isJson, terminal }, _options, [id = '']) => {
      const job = await api.get(`/api/v1/jobs/${await findJobId(api, id)}`, detailSchema);
      if (isJson) return terminal.json(job);
      for (const line of describeJob(job)) terminal.line(line);
      const steps = job.steps.map((step) => [
        step.seq,
        step.kind,
        step.state,
        step.attempts,
        step.finished_at,
        step.error?.cause,
      ]);
      terminal.line('');
      for (const line of formatTable(['STEP', 'KIND', 'STATE', 'ATTEMPTS', 'FINISHED', 'ERROR'], steps))
        terminal.line(line);
      for (const line of describeRecords(job)) terminal.line(line);
      terminal.line('');
      const audit = job.audit.map(({ at, type, actor, detail }) => [at, type, actor, describeDetail(detail)]);
      for (const line of formatTable(['TIME', 'EVENT', 'BY', 'WHY'], audit)) terminal.line(line);
    },
  });

  const words = [
    { word: 'cancel', description: 'end an open job' },
    { word: 'skip', description: 'let the files behind a failed or open job of an ordered route go on without it' },
    { word: 'release', description: 'let a held job go on: the accepted rows of its file are carried' },
    { word: 'reject', description: 'end a held job: none of its records is carried' },
  ];
  for (const { word, description } of words) {
    addCommand<{ reason: string }>(program, config, {
      usage: `${word} <job>`,
      description,
      define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
      run: async ({ api, isJson, terminal }, { reason }, [id = '']) => {
        const job = await api.post(`/api/v1/jobs/${await findJobId(api, id)}/${word}`, jobSummarySchema, {
          body: { reason },
        });
        if (isJson) return terminal.json(job);
        for (const line of describeJob(job)) terminal.line(line);
      },
    });
  }
}

/** The reason that a person gave, or what went wrong, or how many records it was about. */
function describeDetail(detail: Readonly<Record<string, unknown>>): string | null {
  const shown = [detail.reason, detail.code, detail.cause, detail.message].filter((part) => typeof part === 'string');
  const counts = ['records', 'success', 'failed', 'ambiguous', 'open'].flatMap((name) =>
    typeof detail[name] === 'number' ? [`${detail[name]} ${name}`] : [],
  );
  return [...shown, ...counts].join(' ') || null;
}

function describeRecords({ open_records: open, record_summary: summary }: z.infer<typeof detailSchema>): string[] {
  if (summary === null) return [];
  const counts = [
    ...Object.entries(summary.by_state),
    ...Object.entries(summary.by_code).map(([code, count]) => [`  ${code}`, count] as const),
    ...(open === null ? [] : [['not ended', open] as const]),
  ];
  return ['', ...formatTable(['RECORDS', 'COUNT'], counts)];
}
