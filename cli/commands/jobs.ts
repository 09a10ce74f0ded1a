/** `longshore job`, `retry` and `cancel`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';

const failureSchema = z.object({ code: z.string(), cause: z.string().nullable(), message: z.string().nullable() });

const summarySchema = z.looseObject({
  job_id: z.string(),
  file_id: z.string(),
  customer_id: z.string(),
  route: z.string(),
  route_version: z.number(),
  state: z.string(),
  generation: z.number(),
  step: z.string(),
  step_attempts: z.number(),
  max_attempts: z.number(),
  retry_count: z.number(),
  wait_reason: z.string().nullable(),
  next_action_at: z.string().nullable(),
  error: failureSchema.nullable(),
});

const detailSchema = summarySchema.extend({
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
  audit: z.array(z.looseObject({ at: z.string(), type: z.string(), actor: z.string() })),
});

export function addJobCommands(program: Command, config: CliConfig): void {
  addCommand(program, config, {
    usage: 'job <job>',
    description: 'show a job with its steps and its audit',
    run: async ({ api, isJson, terminal }, _options, [id = '']) => {
      const job = await api.get(`/api/v1/jobs/${encodeURIComponent(id)}`, detailSchema);
      if (isJson) return terminal.json(job);
      for (const line of describe(job)) terminal.line(line);
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
      terminal.line('');
      const audit = job.audit.map(({ at, type, actor }) => [at, type, actor]);
      for (const line of formatTable(['TIME', 'EVENT', 'BY'], audit)) terminal.line(line);
    },
  });

  const words = [
    { word: 'retry', description: 'let a failed or cancelled job go on from its failed step, with new attempts' },
    { word: 'cancel', description: 'end an open job' },
  ];
  for (const { word, description } of words) {
    addCommand<{ reason: string }>(program, config, {
      usage: `${word} <job>`,
      description,
      define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
      run: async ({ api, isJson, terminal }, { reason }, [id = '']) => {
        const job = await api.post(`/api/v1/jobs/${encodeURIComponent(id)}/${word}`, summarySchema, {
          body: { reason },
        });
        if (isJson) return terminal.json(job);
        for (const line of describe(job)) terminal.line(line);
      },
    });
  }
}

function describe(job: z.infer<typeof summarySchema>): string[] {
  return formatFields({
    job: job.job_id,
    file: job.file_id,
    tenant: job.customer_id,
    route: `${job.route}, version ${job.route_version}`,
    state: job.state,
    generation: job.generation,
    step: `${job.step}, attempt ${job.step_attempts} of ${job.max_attempts}`,
    retries: job.retry_count,
    'waits for': job.wait_reason,
    next: job.next_action_at,
    error: job.error && [job.error.code, job.error.cause, job.error.message].filter((part) => part !== null).join(' '),
  });
}
