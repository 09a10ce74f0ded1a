/** `longshore retry`: a job continues from its failed step, or some of its records are called again. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { describeJob, type JobSummary, jobSummarySchema } from '#cli/describe-job.ts';
import { findJobId } from '#cli/find-by-name.ts';
import { parseLines, parseRate } from '#cli/parse-option.ts';
import { ERROR_CODES, type ErrorCodeEntry, LongshoreError } from '#shared/errors.ts';

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

export function addRetry(program: Command, cli: Cli): void {
  addCommand<RetryOptions>(program, cli, {
    usage: 'retry <job>',
    description:
      'continue a failed or cancelled job at its failed step, with new attempts; or with --records call failed records again',
    define: (command) =>
      command
        .option('--reason <text>', 'why; kept in the audit')
        .option('--records [lines]', 'only records, e.g. 3,5-9; all that failed when no line is given', parseLines)
        .option('--code <code...>', 'of records: only those with this code')
        .option('--state <state...>', 'of records: FAILED (the default), AMBIGUOUS or both')
        .option('--rate <rate>', 'of records: calls per second, e.g. 20/s', parseRate)
        .option('--as-new', 'of records: with a new idempotency key, as other records to the partner')
        .option('--dry-run', 'show what would be done, and change nothing')
        .option('--yes', 'of records: call them; without it they are only counted'),
    run: async (context, options, [reference = '']) => {
      const id = await findJobId(context, reference);
      if (options.records === undefined) return await retryJob(context, id, options);
      const path = `/api/v1/jobs/${id}/records/retry`;
      if (options.yes !== true || options.dryRun === true) await preview(context, path, options);
      else await retryRecords(context, path, options);
    },
  });
}

async function retryJob(context: CommandContext, id: string, options: RetryOptions): Promise<void> {
  const { code, state, rate, asNew } = options;
  if ([code, state, rate, asNew].some((option) => option !== undefined))
    throw new LongshoreError('USAGE', 'These options are for records.', {
      hint: 'Give --records too, with or without lines.',
    });
  const { api, isJson, terminal } = context;
  if (options.dryRun === true) return await rehearse(context, id);
  const reason = given(options.reason);
  const before = await api.get(`/api/v1/jobs/${id}`, jobSummarySchema);
  const job = await api.post(`/api/v1/jobs/${id}/retry`, jobSummarySchema, { body: { reason } });
  if (isJson) return terminal.json(job);
  for (const line of describeJob(job, await context.times(job.customer_id))) terminal.line(line);
  terminal.note(`Generation ${job.generation} was opened: the job continues at its step ${job.step}.`);
  for (const line of warnOfFinalFailure(before)) terminal.note(line);
}

async function rehearse(context: CommandContext, id: string): Promise<void> {
  const { api, isJson, terminal } = context;
  const job = await api.get(`/api/v1/jobs/${id}`, jobSummarySchema);
  if (isJson) return terminal.json(job);
  for (const line of describeJob(job, await context.times(job.customer_id))) terminal.line(line);
  terminal.note(
    RETRYABLE.includes(job.state)
      ? `Nothing was changed: a retry would open generation ${job.generation + 1} at the step ${job.step}.`
      : `Nothing was changed: the job is ${job.state}, and only FAILED and CANCELLED jobs can be retried.`,
  );
  for (const line of warnOfFinalFailure(job)) terminal.note(line);
}

const ERROR_CODES_BY_NAME: Readonly<Record<string, ErrorCodeEntry | undefined>> = ERROR_CODES;

const RETRYABLE: readonly string[] = ['FAILED', 'CANCELLED'];

/** A step that gave up with attempts left met something that no further attempt changes. */
function warnOfFinalFailure({ state, step, step_attempts: used, max_attempts: most, error }: JobSummary): string[] {
  if (state !== 'FAILED' || error === null || error.cause === 'RECORDS_FAILED' || used >= most) return [];
  const why = error.cause ?? error.code;
  const entry = ERROR_CODES_BY_NAME[why] ?? ERROR_CODES_BY_NAME[error.code];
  const isOfFile = entry?.sender !== undefined && 'correct' in entry.sender;
  const helps = isOfFile ? 'correct the file and send it again instead.' : (entry?.remedy ?? '');
  return [
    `The step ${step} gave up at attempt ${used} of ${most}, because ${why} does not go away without a change:`,
    `the same file meets the same version of the route. If nothing else has changed, it will fail again${isOfFile ? ';' : '.'} ${helps}`,
  ];
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
  const reply = await api.post(path, replySchema, { body });
  if (isJson) return terminal.json(reply);
  terminal.line(`${reply.records} records would be called again${describeDuration(reply.records, options.rate)}`);
  reportAmbiguous(terminal, reply.ambiguous);
  terminal.note('Nothing was changed: repeat the command with --yes and --reason to have them called.');
}

function describeDuration(records: number, rate: number | undefined): string {
  return rate === undefined ? '' : `, at ${rate}/s in about ${Math.ceil(records / rate)} s`;
}

async function retryRecords(context: CommandContext, path: string, options: RetryOptions): Promise<void> {
  const { api, isJson, terminal } = context;
  const body = { ...bodyOf(options), reason: given(options.reason) };
  const reply = await api.post(path, replySchema, { body });
  if (isJson) return terminal.json(reply);
  terminal.line(`${reply.records} records are called again`);
  reportAmbiguous(terminal, reply.ambiguous);
}

function reportAmbiguous(terminal: CommandContext['terminal'], ambiguous: number): void {
  if (ambiguous > 0)
    terminal.note(`${ambiguous} ambiguous ones are left out: ask the partner, then name them with --state AMBIGUOUS.`);
}

function given(reason: string | undefined): string {
  if (reason !== undefined) return reason;
  throw new LongshoreError('USAGE', 'A retry needs a reason.', { hint: 'Give --reason TEXT.' });
}
