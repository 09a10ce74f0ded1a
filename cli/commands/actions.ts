/** `longshore actions`: one command on a set of jobs, files or dead letters, with a preview; and `longshore resend`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { describeJob, jobSummarySchema } from '#cli/describe-job.ts';
import { findFileId } from '#cli/find-by-name.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount, parseList, parsePercent, parseRate } from '#cli/parse-option.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';

const summarySchema = z.looseObject({
  action_id: z.string(),
  verb: z.string(),
  state: z.string(),
  actor: z.string(),
  reason: z.string().nullable(),
  approved_by: z.string().nullable(),
  takes: z.number(),
  done: z.number(),
  refused: z.number(),
  pause_reason: z.string().nullable(),
  seconds_left: z.number().nullable(),
  expires_at: z.string().nullable(),
  created_at: z.string(),
});
const actionSchema = summarySchema.extend({
  filter: z.record(z.string(), z.unknown()),
  preview: z.object({
    leaves_out: z.array(z.object({ reason: z.string(), count: z.number() })),
    by: z.record(z.string(), z.array(z.object({ value: z.string(), count: z.number() }))),
    samples: z.array(
      z.looseObject({ id: z.string(), tenant: z.string().nullable(), file_name: z.string().nullable() }),
    ),
  }),
  needs_approval: z.boolean(),
  results: z.object({ ended: z.number(), failing: z.number(), open: z.number() }).nullable(),
});
type Action = z.infer<typeof actionSchema>;
const pageSchema = z.object({ actions: z.array(summarySchema), next_cursor: z.string().nullable() });
const itemsSchema = z.object({
  items: z.array(z.object({ id: z.string(), state: z.string(), code: z.string().nullable() })),
  next_cursor: z.string().nullable(),
});
const resentSchema = z.object({ job: jobSummarySchema.nullable(), action: actionSchema.nullable() });

interface ListOptions {
  readonly state?: string;
  readonly verb?: string;
  readonly limit: number;
}

interface PreviewOptions {
  readonly id?: string[];
  readonly file?: string[];
  readonly tenant?: string;
  readonly since?: string;
  readonly until?: string;
  readonly route?: string;
  readonly partner?: string;
  readonly code?: string;
  readonly cause?: string;
  readonly state?: string[];
  readonly held?: true;
  readonly waitReason?: string;
  readonly status?: string[];
  readonly name?: string;
  readonly type?: string;
  readonly queue?: string;
  readonly rate?: number;
}

interface RunOptions {
  readonly reason: string;
  readonly rate?: number;
  readonly canary?: number;
  readonly stopAt?: number;
}

export function addActions(program: Command, cli: Cli): void {
  const actions = addCommand<ListOptions>(program, cli, {
    usage: 'actions',
    description: 'list actions on sets of jobs, files or dead letters, newest first',
    define: (command) =>
      command
        .option('--state <state>', 'previewed, awaiting_approval, running, paused, done or aborted')
        .option('--verb <verb>', 'only those that do this, such as retry or redrive')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: list,
  });
  actions.enablePositionalOptions();

  addCommand<PreviewOptions>(actions, cli, {
    usage: 'preview <verb>',
    description:
      'show what retry, cancel, release, reject, skip, resend (jobs), reroute (files), redrive or discard (dead letters) would take; nothing is done yet',
    define: (command) =>
      command
        .option('--id <id...>', 'only these jobs, files or dead letters')
        .option('--file <id...>', 'of jobs: only those of these files')
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--since <time>', 'created since: an age such as 30m, 2h or 7d, or a time')
        .option('--until <time>', 'created before this time')
        .option('--route <route>', 'of jobs: only those of routes with this name')
        .option('--partner <partner>', 'of jobs: only those of routes that call this partner')
        .option('--code <code>', 'of jobs and files: which step failed, e.g. DELIVERY_ERROR')
        .option('--cause <cause>', 'of jobs and files: what went wrong, e.g. HTTP_503')
        .option('--state <state...>', 'of jobs: one or more of their states', parseList)
        .option('--held', 'of jobs: only those that wait for an operator')
        .option('--wait-reason <reason>', 'of jobs: what they wait for')
        .option('--status <status...>', 'of files: one or more of their states', parseList)
        .option('--name <name>', 'of files: exact, or with * for any run of characters')
        .option('--type <extension>', 'of files: extension of the name, e.g. csv')
        .option('--queue <queue>', 'of dead letters: e.g. landing, work or partner-steps')
        .option('--rate <rate>', 'to see how long it takes, e.g. 50/s', parseRate),
    run: async (context, { id, file, waitReason, rate, ...filters }, [verb = '']) => {
      const {
        tenant,
        since,
        until: before,
        route,
        partner,
        code,
        cause,
        state,
        held,
        status,
        name,
        type,
        queue,
      } = filters;
      const times = await context.times(tenant);
      const filter = {
        ids: id,
        file_ids: file,
        tenant,
        since: since === undefined ? undefined : times.parse(since),
        until: before === undefined ? undefined : times.parse(before),
        route,
        partner,
        code,
        cause,
        state,
        held,
        wait_reason: waitReason,
        status,
        name,
        type,
        queue,
      };
      const body = { verb, filter, rate_per_second: rate };
      const action = await context.api.post('/api/v1/actions', actionSchema, { body });
      show(context, action);
      const until = times.show(action.expires_at);
      context.terminal.note(
        `Nothing is done yet. Until ${until}: longshore actions run ${action.action_id} --reason TEXT`,
      );
      if (action.needs_approval) context.terminal.note('Then it waits for a second person to approve it.');
    },
  });

  addCommand<RunOptions>(actions, cli, {
    usage: 'run <action>',
    description: 'run what was previewed',
    define: (command) =>
      command
        .requiredOption('--reason <text>', 'why; kept in the audit')
        .option('--rate <rate>', 'per second, e.g. 50/s', parseRate)
        .option('--canary <count>', 'pause after this many', parseCount)
        .option('--stop-at <percent>', 'pause when more than this share fails again, e.g. 5%', parsePercent),
    run: async (context, { reason, rate, canary, stopAt }, [id = '']) => {
      const body = { reason, rate_per_second: rate, canary, stop_at_percent: stopAt };
      show(context, await context.api.post(`${pathOf(id)}/run`, actionSchema, { body }));
    },
  });

  const words = [
    { word: 'pause', description: 'pause a running action' },
    { word: 'resume', description: 'let a paused action continue' },
    { word: 'abort', description: 'end an action; what was taken continues' },
    { word: 'approve', description: 'approve what another person ran' },
  ];
  for (const { word, description } of words)
    addCommand(actions, cli, {
      usage: `${word} <action>`,
      description,
      run: async (context, _options, [id = '']) =>
        show(context, await context.api.post(`${pathOf(id)}/${word}`, actionSchema)),
    });

  addCommand(actions, cli, {
    usage: 'show <action>',
    description: 'show an action: its preview, how it goes, and what it refused',
    run: async (context, _options, [id = '']) => {
      const action = await context.api.get(pathOf(id), actionSchema);
      show(context, action);
      if (context.isJson || action.refused === 0) return;
      const query = { state: 'refused', limit: REFUSALS_SHOWN };
      const { items } = await context.api.get(`${pathOf(id)}/items`, itemsSchema, { query });
      context.terminal.line('');
      for (const line of formatTable(
        ['REFUSED', 'WHY'],
        items.map((item) => [item.id, item.code]),
      ))
        context.terminal.line(line);
    },
  });

  addCommand<{ route: string; reason: string }>(program, cli, {
    usage: 'resend <file>',
    description:
      'process a file on a route once more, with the route as it is now; a second person approves where it may arrive twice',
    define: (command) =>
      command
        .requiredOption('--route <route>', 'name of the route')
        .requiredOption('--reason <text>', 'why; kept in the audit'),
    run: async (context, { route, reason }, [reference = '']) => {
      const id = await findFileId(context, reference);
      const body = { file_id: id, route, reason };
      const resent = await context.api.post('/api/v1/jobs', resentSchema, { body });
      if (context.isJson) return context.terminal.json(resent);
      if (resent.action !== null) return show(context, resent.action);
      if (resent.job !== null)
        for (const line of describeJob(resent.job, await context.times(resent.job.customer_id)))
          context.terminal.line(line);
    },
  });
}

const REFUSALS_SHOWN = 20;

function pathOf(id: string): string {
  return `/api/v1/actions/${encodeURIComponent(id)}`;
}

async function list(context: CommandContext, { state, verb, limit: most }: ListOptions): Promise<void> {
  const times = await context.times();
  await listEntries(context, {
    most,
    readPage: async (page) => {
      const query = { state, verb, ...page };
      const { actions, next_cursor } = await context.api.get('/api/v1/actions', pageSchema, { query });
      return { entries: actions, next: next_cursor };
    },
    headings: ['ACTION', 'VERB', 'STATE', 'WHY', 'TAKES', 'DONE', 'REFUSED', 'BY', 'CREATED', 'REASON'],
    rowOf: (action) => [
      action.action_id,
      action.verb,
      action.state,
      action.pause_reason,
      action.takes,
      action.done,
      action.refused,
      action.actor,
      times.show(action.created_at),
      action.reason,
    ],
    what: 'actions',
    filters: { others: [state, verb] },
  });
}

const MOST_LISTED = 3;

function listed(values: readonly unknown[]): string {
  return values.length > MOST_LISTED ? `${values.length} of them` : values.join(',');
}

function show({ isJson, terminal }: CommandContext, action: Action): void {
  if (isJson) {
    terminal.json(action);
    return;
  }
  const { preview, results } = action;
  const fields = {
    action: action.action_id,
    verb: action.verb,
    state: action.pause_reason === null ? action.state : `${action.state} (${action.pause_reason})`,
    filter: Object.entries(action.filter)
      .map(([name, value]) => `${name}=${Array.isArray(value) ? listed(value) : String(value)}`)
      .join(' '),
    takes: action.takes,
    done: action.done,
    refused: action.refused,
    ...(results !== null &&
      results.ended + results.open > 0 && {
        'failed again': `${results.failing} of ${results.ended} that ended; ${results.open} are open`,
      }),
    ...(action.seconds_left !== null && { 'time left': `${action.seconds_left} s` }),
    by: action.actor,
    ...(action.reason !== null && { reason: action.reason }),
    ...(action.approved_by !== null && { 'approved by': action.approved_by }),
  };
  for (const line of formatFields(fields)) terminal.line(line);
  if (action.state === 'AWAITING_APPROVAL')
    terminal.note(`A second person approves it: longshore actions approve ${action.action_id}`);
  if (action.state !== 'PREVIEWED') return;
  const groups = Object.entries(preview.by).flatMap(([name, values]) =>
    values.map(({ value, count }, index) => [index === 0 ? `by ${name}` : '', value, count]),
  );
  const left = preview.leaves_out.map(({ reason, count }, index) => [index === 0 ? 'leaves out' : '', reason, count]);
  const samples = preview.samples.map(({ id, tenant, file_name }) => [id, tenant, file_name]);
  const tables = [
    { headings: ['SET', '', 'COUNT'], rows: [...groups, ...left] },
    { headings: ['SAMPLE', 'TENANT', 'FILE'], rows: samples },
  ];
  for (const { headings, rows } of tables.filter((table) => table.rows.length > 0)) {
    terminal.line('');
    for (const line of formatTable(headings, rows)) terminal.line(line);
  }
}
