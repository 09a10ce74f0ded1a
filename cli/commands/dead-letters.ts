/** `longshore dead-letters` and `redrive`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { explainEmpty, listEntries } from '#cli/list-entries.ts';
import { parseCount, parseRate } from '#cli/parse-option.ts';
import { readNamedFile } from '#cli/read-named-file.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';
import { LongshoreError } from '#shared/errors.ts';

const letterPageSchema = z.object({
  dead_letters: z.array(
    z.looseObject({
      dead_letter_id: z.string(),
      queue: z.string(),
      state: z.string(),
      reason: z.string(),
      customer_id: z.string().nullable(),
      job_id: z.string().nullable(),
      created_at: z.string(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

const letterSchema = z.looseObject({
  dead_letter_id: z.string(),
  state: z.string(),
  body: z.string(),
  attributes: z.record(z.string(), z.unknown()),
});

const discardSchema = z.object({
  parked: z.array(z.object({ queue: z.string(), letters: z.number() })),
  discarded: z.number(),
  has_more: z.boolean(),
});

const redriveSchema = z.object({
  parked: z.array(z.object({ queue: z.string(), letters: z.number() })),
  redriven: z.number(),
  refused: z.array(z.object({ dead_letter_id: z.string(), queue: z.string(), reason: z.string() })),
  next_cursor: z.string().nullable(),
});

interface FilterOptions {
  readonly queue?: string;
  readonly tenant?: string;
}

interface RedriveOptions extends FilterOptions {
  readonly id?: string[];
  readonly rate: number;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly bodyFile?: string;
}

interface DiscardOptions extends FilterOptions {
  readonly id?: string[];
  readonly reason?: string;
  readonly yes?: boolean;
}

export function addDeadLetterCommands(program: Command, cli: Cli): void {
  const letters = addCommand<FilterOptions & { state?: string; limit: number }>(program, cli, {
    usage: 'dead-letters',
    description: 'list messages that could not be handled, newest first',
    define: (command) =>
      command
        .option('--queue <queue>', 'only those of this queue, e.g. landing, work or partner-steps')
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--state <state>', 'parked, redriven or discarded')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { queue, tenant, state, limit: most }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const query = { queue, tenant, state, ...page };
          const reply = await context.api.get('/api/v1/dead-letters', letterPageSchema, { query });
          return { entries: reply.dead_letters, next: reply.next_cursor };
        },
        headings: ['ID', 'QUEUE', 'STATE', 'TENANT', 'JOB', 'SINCE', 'REASON'],
        rowOf: (letter) => [
          letter.dead_letter_id,
          letter.queue,
          letter.state,
          letter.customer_id,
          letter.job_id,
          times.show(letter.created_at),
          letter.reason,
        ],
        what: 'dead letters',
        filters: { tenant, others: [queue, state] },
      });
    },
  });

  letters.enablePositionalOptions();
  addCommand(letters, cli, {
    usage: 'show <letter>',
    description: 'show one dead letter: body, attributes, and why it cannot be read',
    run: async ({ api, isJson, terminal }, _options, [id = '']) => {
      const letter = await api.get(`/api/v1/dead-letters/${encodeURIComponent(id)}`, letterSchema);
      if (isJson) return terminal.json(letter);
      const { attributes, body, ...fields } = letter;
      const shown = { ...fields, ...attributes } as Record<string, string | number | null>;
      for (const line of formatFields(shown)) terminal.line(line);
      terminal.line('');
      terminal.line(body);
    },
  });

  addCommand<DiscardOptions>(letters, cli, {
    usage: 'discard',
    description: 'give up parked dead letters; without --yes they are only counted',
    define: (command) =>
      command
        .option('--queue <queue>', 'only those of this queue, e.g. landing, work or partner-steps')
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--id <id...>', 'only these dead letters')
        .option('--reason <text>', 'why; kept in the audit')
        .option('--yes', 'do it'),
    run: discard,
  });

  addCommand<RedriveOptions>(program, cli, {
    usage: 'redrive',
    description: 'send parked dead letters back to their queues; without --yes they are only counted',
    define: (command) =>
      command
        .option('--queue <queue>', 'only those of this queue, e.g. landing, work or partner-steps')
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--id <id...>', 'only these dead letters')
        .option('--rate <rate>', 'letters per second, e.g. 20/s', parseRate, 50)
        .option('--reason <text>', 'why; kept in the audit')
        .option('--dry-run', 'only count')
        .option('--yes', 'do it')
        .option('--force', 'also letters that no service can read')
        .option('--body-file <file>', 'with one --id: send the body in this file in place of the one that came'),
    run: async (context, options) => {
      if (options.yes !== true || options.dryRun === true) return await preview(context, options);
      if (options.bodyFile !== undefined) return await sendCorrected(context, options, options.bodyFile);
      if (options.reason === undefined)
        throw new LongshoreError('USAGE', 'A redrive needs a reason.', { hint: 'Give --reason TEXT.' });
      await redrive(context, options);
    },
  });
}

function bodyOf({ queue, tenant, id, reason, rate, force }: RedriveOptions) {
  return { queue, tenant, ids: id, reason, rate_per_second: rate, force };
}

async function preview(context: CommandContext, options: RedriveOptions): Promise<void> {
  const body = { ...bodyOf(options), dry_run: true };
  const { parked } = await context.api.post('/api/v1/dead-letters/redrive', redriveSchema, { body });
  const advice = 'Nothing was sent: repeat the command with --yes and --reason to send them.';
  await printParked(context, parked, { filters: options, advice });
}

async function printParked(
  context: CommandContext,
  parked: z.infer<typeof redriveSchema>['parked'],
  { filters: { queue, tenant }, advice }: { readonly filters: FilterOptions; readonly advice: string },
): Promise<void> {
  const { isJson, terminal } = context;
  if (isJson) return terminal.json({ dry_run: true, parked });
  if (parked.length === 0) return await explainEmpty(context, 'parked dead letters', { tenant, others: [queue] });
  const rows = parked.map(({ queue, letters }) => [queue, letters]);
  for (const line of formatTable(['QUEUE', 'PARKED'], rows)) terminal.line(line);
  terminal.note(advice);
}

/** The API takes a bounded number per call; this continues until it says that all were seen. */
async function redrive({ api, isJson, terminal, exitWith }: CommandContext, options: RedriveOptions): Promise<void> {
  let redriven = 0;
  const refused: z.infer<typeof redriveSchema>['refused'] = [];
  let cursor: string | undefined;
  do {
    const body = { ...bodyOf(options), cursor };
    const reply = await api.post('/api/v1/dead-letters/redrive', redriveSchema, { body });
    redriven += reply.redriven;
    refused.push(...reply.refused);
    cursor = reply.next_cursor ?? undefined;
    if (cursor !== undefined) terminal.note(`${redriven} sent so far`);
  } while (cursor !== undefined);
  if (isJson) terminal.json({ redriven, refused });
  else terminal.line(`${redriven} sent, ${refused.length} refused`);
  if (refused.length === 0) return;
  if (!isJson) {
    for (const { dead_letter_id, queue, reason } of refused) terminal.note(`${dead_letter_id} ${queue}: ${reason}`);
    terminal.note('These stay parked; --force sends them as they are.');
  }
  exitWith(EXIT.refused);
}

async function sendCorrected(context: CommandContext, options: RedriveOptions, file: string): Promise<void> {
  const { api, isJson, terminal, config } = context;
  const [id, ...others] = options.id ?? [];
  if (id === undefined || others.length > 0)
    throw new LongshoreError('USAGE', 'A corrected body is for one dead letter.', { hint: 'Give one --id.' });
  if (options.reason === undefined)
    throw new LongshoreError('USAGE', 'A redrive needs a reason.', { hint: 'Give --reason TEXT.' });
  const body = (await readNamedFile(file, config)).toString();
  const letter = await api.post(`/api/v1/dead-letters/${encodeURIComponent(id)}/redrive`, letterSchema, {
    body: { body: body.trim(), reason: options.reason },
  });
  if (isJson) terminal.json(letter);
  else terminal.line(`${letter.dead_letter_id} sent with the body of ${file}`);
}

async function discard(context: CommandContext, options: DiscardOptions): Promise<void> {
  const { api, isJson, terminal } = context;
  const { queue, tenant, id: ids, reason, yes } = options;
  if (yes !== true) {
    const body = { queue, tenant, ids, dry_run: true };
    const { parked } = await api.post('/api/v1/dead-letters/discard', discardSchema, { body });
    const advice = 'Nothing was discarded: repeat the command with --yes and --reason to discard them.';
    return await printParked(context, parked, { filters: options, advice });
  }
  if (reason === undefined)
    throw new LongshoreError('USAGE', 'Discarding needs a reason.', { hint: 'Give --reason TEXT.' });
  let discarded = 0;
  for (let hasMore = true; hasMore; ) {
    const body = { queue, tenant, ids, reason };
    const reply = await api.post('/api/v1/dead-letters/discard', discardSchema, { body });
    discarded += reply.discarded;
    hasMore = reply.has_more;
  }
  if (isJson) terminal.json({ discarded });
  else terminal.line(`${discarded} discarded`);
}
