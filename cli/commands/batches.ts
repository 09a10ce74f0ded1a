/** `longshore batches`: files that a route takes together, what happened to them, and what is missing. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount, parseList } from '#cli/parse-option.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';

const batchSchema = z.looseObject({
  batch_id: z.string(),
  customer_id: z.string(),
  route: z.string(),
  directory: z.string().nullable(),
  state: z.string(),
  files: z.number(),
  full_at: z.number().nullable(),
  closes_at: z.string().nullable(),
  opened_at: z.string(),
  closed_at: z.string().nullable(),
  closed_by: z.string().nullable(),
  succeeded: z.number().nullable(),
  failed: z.number().nullable(),
  expected: z.number().nullable(),
  missing: z.array(z.string()),
});
const batchPageSchema = z.object({ batches: z.array(batchSchema), next_cursor: z.string().nullable() });
const detailSchema = batchSchema.extend({
  members: z.array(
    z.looseObject({
      file_id: z.string(),
      job_id: z.string(),
      path: z.string(),
      state: z.string(),
      cause: z.string().nullable(),
      message: z.string().nullable(),
    }),
  ),
});
type Batch = z.infer<typeof batchSchema>;
type Detail = z.infer<typeof detailSchema>;

interface BatchesOptions {
  readonly tenant?: string;
  readonly route?: string;
  readonly state?: string[];
  readonly limit: number;
}

export function addBatches(program: Command, cli: Cli): void {
  const batches = addCommand<BatchesOptions>(program, cli, {
    usage: 'batches',
    description: 'list batches of files, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--route <route>', 'only those of this route')
        .option('--state <state...>', 'one or more of open, running, succeeded, failed', parseList)
        .option('--limit <count>', 'how many at most', parseCount, 100),
    run: async (context, { tenant, route, state, limit }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most: limit,
        readPage: async (page) => {
          const query = { tenant, route, state: state?.join(','), ...page };
          const reply = await context.api.get('/api/v1/batches', batchPageSchema, { query });
          return { entries: reply.batches, next: reply.next_cursor };
        },
        headings: ['BATCH', 'TENANT', 'ROUTE', 'STATE', 'FILES', 'MISSING', 'OPENED', 'CLOSED', 'BY'],
        rowOf: (batch) => [
          batch.batch_id,
          batch.customer_id,
          batch.directory === null ? batch.route : `${batch.route} ${batch.directory}`,
          batch.state.toLowerCase(),
          filesOf(batch),
          batch.missing.length || null,
          times.show(batch.opened_at),
          batch.closed_at && times.show(batch.closed_at),
          batch.closed_by,
        ],
        what: 'batches',
        filters: { tenant, others: [route, state?.join()] },
      });
    },
  });
  batches.enablePositionalOptions();

  addCommand(batches, cli, {
    usage: 'show <batch>',
    description: 'show one batch with its files, and what is missing',
    run: async (context, _options, [id = '']) => print(context, await context.api.get(pathOf(id), detailSchema)),
  });

  addCommand<{ reason: string }>(batches, cli, {
    usage: 'close <batch>',
    description: 'close an open batch with the files that are there',
    define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
    run: async (context, { reason }, [id = '']) =>
      print(context, await context.api.post(`${pathOf(id)}/close`, detailSchema, { body: { reason } })),
  });
}

function pathOf(id: string): string {
  return `/api/v1/batches/${encodeURIComponent(id)}`;
}

function filesOf({ files, full_at: fullAt, expected, succeeded, failed }: Batch): string {
  if (succeeded !== null) return `${succeeded} of ${files} succeeded${failed ? `, ${failed} failed` : ''}`;
  const wanted = expected ?? fullAt;
  return wanted === null ? String(files) : `${files} of ${wanted}`;
}

function print({ isJson, terminal }: CommandContext, batch: Detail): void {
  if (isJson) {
    terminal.json(batch);
    return;
  }
  const fields = formatFields({
    batch: batch.batch_id,
    route: `${batch.customer_id}/${batch.route}`,
    directory: batch.directory,
    state: batch.state.toLowerCase(),
    files: filesOf(batch),
    'closes at': batch.state === 'OPEN' ? batch.closes_at : null,
    'closed by': batch.closed_by,
    missing: batch.missing.join(', ') || null,
  });
  for (const line of fields) terminal.line(line);
  if (batch.members.length === 0) return;
  terminal.line('');
  const rows = batch.members.map(({ path, job_id: job, state, cause, message }) => [path, job, state, cause, message]);
  for (const line of formatTable(['FILE', 'JOB', 'STATE', 'CAUSE', 'MESSAGE'], rows)) terminal.line(line);
}
