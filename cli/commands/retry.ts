/** `longshore retry`: a job goes on from its failed step, or some of its records are called again. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type CommandContext } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { describeJob, jobSummarySchema } from '#cli/describe-job.ts';
import { findJobId } from '#cli/find-job-id.ts';
import { parseLines, parseRate } from '#cli/parse-option.ts';
import { LongshoreError } from '#shared/errors.ts';

const replySchema = z.object({ dry_run: z.boolean(), records: z.number(), ambiguous: z.number() });

interface RetryOptions {
  readonly reason?: string;
  /** True: any line. */
  readonly records?: number[] | true;
  readonly code?: string[];
  readonly state?: string[];
  readonly rate?: number;
  readonly asNew?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function addRetry(program: Command, config: CliConfig): void {
  addCommand<RetryOptions>(program, config, {
    usage: 'retry <job>',
    description:
      'let a failed or cancelled job go on from its failed step, with new attempts; or with --records have failed records called again',
    define: (command) =>
      command
        .option('--reason <text>', 'why; kept in the audit')
        .option('--records [lines]', 'only records, e.g. 3,5-9; all that failed when no line is given', parseLines)
        .option('--code <code...>', 'of records: only those with this code')
        .option('--state <state...>', 'of records: FAILED (the default), AMBIGUOUS or both')
        .option('--rate <rate>', 'of records: calls per second, e.g. 20/s', parseRate)
        .option('--as-new', 'of records: with a new idempotency key, as other records to the partner')
        .option('--dry-run', 'of records: only count')
        .option('--yes', 'of records: do it; without it they are only counted'),
    run: async (context, options, [id = '']) => {
      const path = `/api/v1/jobs/${await findJobId(context.api, id)}`;
      if (options.records === undefined) await retryJob(context, path, options);
      else if (options.yes !== true || options.dryRun === true) await preview(context, path, options);
      else await retryRecords(context, path, options);
    },
  });
}

async function retryJob(context: CommandContext, path: string, { reason, ...options }: RetryOptions): Promise<void> {
  const { code, state, rate, asNew, dryRun } = options;
  if ([code, state, rate, asNew, dryRun].some((option) => option !== undefined))
    throw new LongshoreError('USAGE', 'These options are for records.', {
      hint: 'Give --records too, with or without lines.',
    });
  const job = await context.api.post(`${path}/retry`, jobSummarySchema, { body: { reason: given(reason) } });
  if (context.isJson) return context.terminal.json(job);
  for (const line of describeJob(job)) context.terminal.line(line);
}

function bodyOf({ records, code, state, rate, asNew }: RetryOptions) {
  return {
    lines: records === true ? undefined : records,
    codes: code,
    states: state?.map((name) => name.toUpperCase()),
    rate_per_second: rate,
    as_new: asNew,
  };
}

async function preview({ api, isJson, terminal }: CommandContext, path: string, options: RetryOptions): Promise<void> {
  const body = { ...bodyOf(options), dry_run: true };
  const reply = await api.post(`${path}/records/retry`, replySchema, { body });
  if (isJson) return terminal.json(reply);
  terminal.line(`${reply.records} records would be called again`);
  reportAmbiguous(terminal, reply.ambiguous);
  terminal.note('Nothing was changed; repeat it with --yes and --reason to have them called.');
}

async function retryRecords(context: CommandContext, path: string, options: RetryOptions): Promise<void> {
  const { api, isJson, terminal } = context;
  const body = { ...bodyOf(options), reason: given(options.reason) };
  const reply = await api.post(`${path}/records/retry`, replySchema, { body });
  if (isJson) return terminal.json(reply);
  terminal.line(`${reply.records} records are called again`);
  reportAmbiguous(terminal, reply.ambiguous);
}

function reportAmbiguous(terminal: CommandContext['terminal'], ambiguous: number): void {
  if (ambiguous > 0)
    terminal.note(`${ambiguous} ambiguous ones are left: ask the partner, then name them with --state AMBIGUOUS.`);
}

function given(reason: string | undefined): string {
  if (reason !== undefined) return reason;
  throw new LongshoreError('USAGE', 'A retry needs a reason.', { hint: 'Give --reason TEXT.' });
}
