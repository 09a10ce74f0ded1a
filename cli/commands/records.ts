/** `longshore records`: the records of a job, or one of them with its attempts. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { describeFailure, failureSchema } from '#cli/describe-job.ts';
import { findJobId } from '#cli/find-by-name.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount, parseLine } from '#cli/parse-option.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';
import { LongshoreError } from '#shared/errors.ts';

const recordSchema = z.looseObject({
  line: z.number(),
  state: z.string(),
  key: z.string().nullable(),
  step: z.string().nullable(),
  tries: z.number(),
  error: failureSchema.nullable(),
  reference: z.string().nullable(),
  next_attempt_at: z.string().nullable(),
  values: z.record(z.string(), z.unknown()).nullish(),
});
const recordPageSchema = z.object({ records: z.array(recordSchema), next_cursor: z.string().nullable() });
const recordDetailSchema = recordSchema.extend({
  attempts: z.array(
    z.looseObject({
      generation: z.number(),
      step: z.string(),
      attempt: z.number(),
      outcome: z.string(),
      http_status: z.number().nullable(),
      error: failureSchema.nullable(),
      request_id: z.string(),
      started_at: z.string(),
      duration_ms: z.number(),
    }),
  ),
});

interface RecordsOptions {
  readonly state?: string;
  readonly code?: string;
  readonly line?: number;
  readonly values?: boolean;
  readonly limit: number;
}

export function addRecords(program: Command, cli: Cli): void {
  addCommand<RecordsOptions>(program, cli, {
    usage: 'records <job>',
    description: 'list the records of a job, in the order of its file',
    define: (command) =>
      command
        .option('--state <state>', 'PENDING, RUNNING, SUCCESS, FAILED, AMBIGUOUS or REJECTED')
        .option('--code <code>', 'the call that failed, e.g. VALIDATION_ERROR')
        .option('--line <line>', 'one record, with its attempts', parseLine)
        .option('--values', 'with the values of the records; takes an operator key')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, options, [id = '']) => {
      const path = `/api/v1/jobs/${await findJobId(context, id)}/records`;
      if (options.line === undefined) return await list(context, path, options);
      if (options.state !== undefined || options.code !== undefined)
        throw new LongshoreError('USAGE', 'With --line there is nothing to filter.', {
          hint: 'Leave --state and --code out.',
        });
      await show(context, `${path}/${options.line}`, options);
    },
  });
}

async function list(context: CommandContext, path: string, options: RecordsOptions): Promise<void> {
  const { state, code, values = false, limit: most } = options;
  const times = await context.times();
  await listEntries(context, {
    most,
    readPage: async (page) => {
      const query = { state: state?.toUpperCase(), code, values, ...page };
      const { records, next_cursor } = await context.api.get(path, recordPageSchema, { query });
      return { entries: records, next: next_cursor };
    },
    headings: ['LINE', 'STATE', 'KEY', 'CALL', 'TRIES', 'NEXT', 'REFERENCE', ...(values ? ['VALUES'] : []), 'ERROR'],
    rowOf: (record) => [
      record.line,
      record.state,
      record.key,
      record.step,
      record.tries,
      times.show(record.next_attempt_at),
      record.reference,
      ...(values ? [JSON.stringify(record.values)] : []),
      describeFailure(record.error),
    ],
    what: 'records',
    filters: { others: [state, code] },
  });
}

async function show(context: CommandContext, path: string, options: RecordsOptions): Promise<void> {
  const { api, isJson, terminal } = context;
  const { values = false } = options;
  const record = await api.get(path, recordDetailSchema, { query: { values } });
  if (isJson) return terminal.json(record);
  const times = await context.times();
  const fields = {
    line: record.line,
    state: record.state,
    key: record.key,
    call: record.step,
    tries: record.tries,
    next: times.show(record.next_attempt_at),
    reference: record.reference,
    error: describeFailure(record.error),
    ...(values && { values: JSON.stringify(record.values) }),
  };
  for (const line of formatFields(fields)) terminal.line(line);
  terminal.line('');
  const attempts = record.attempts.map((attempt) => [
    times.show(attempt.started_at),
    attempt.generation,
    attempt.step,
    attempt.attempt,
    attempt.outcome,
    attempt.http_status,
    attempt.duration_ms,
    attempt.request_id,
    describeFailure(attempt.error),
  ]);
  const headings = ['TIME', 'GENERATION', 'CALL', 'TRY', 'OUTCOME', 'HTTP', 'MS', 'REQUEST', 'ERROR'];
  for (const line of formatTable(headings, attempts)) terminal.line(line);
}
