/** `longshore simulate`: what would happen to files, by the routes in force or by those in files. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { parseBytes, parseCount, parsePair } from '#cli/parse-option.ts';
import { readDefinitionFiles } from '#cli/read-definition-files.ts';
import { formatTable } from '#cli/terminal.ts';
import { LongshoreError } from '#shared/errors.ts';

const routeSchema = z.looseObject({
  route: z.string(),
  version: z.number().nullable(),
  takes: z.boolean(),
  because: z.string(),
  held: z.boolean(),
  lane: z.string().nullable(),
  starts_at: z.string().nullable(),
  joins_batch: z.boolean(),
  order_group: z.string().nullable(),
  notifies: z.array(z.looseObject({ channel: z.string(), kind: z.string(), on: z.array(z.string()) })),
  steps: z.array(z.looseObject({ kind: z.string(), class: z.string(), would: z.string() })),
});
const simulationSchema = z.object({
  decisions: z.array(
    z.looseObject({
      file: z.looseObject({ file_id: z.string().nullable(), path: z.string(), size_bytes: z.number() }),
      outcome: z.string(),
      error: z.looseObject({ code: z.string(), cause: z.string(), message: z.string() }).nullable(),
      is_large: z.boolean(),
      routes: z.array(routeSchema),
      changes: z.string(),
      present: z.array(z.string()),
    }),
  ),
  summary: z.looseObject({
    files: z.number(),
    quarantined: z.number(),
    same: z.number(),
    steps: z.number(),
    other: z.number(),
    new: z.number(),
    none: z.number(),
  }),
});
type Simulation = z.infer<typeof simulationSchema>;

interface SimulateOptions {
  readonly file?: string[];
  readonly path?: string;
  readonly size: number;
  readonly source?: string;
  readonly region?: string;
  readonly user?: string;
  readonly type?: string;
  readonly firstLine?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tag?: Readonly<Record<string, string>>;
  readonly last?: number;
  readonly id?: string[];
  readonly tenant?: string;
}

export function addSimulate(program: Command, cli: Cli): void {
  addCommand<SimulateOptions>(program, cli, {
    usage: 'simulate [path]',
    description: 'show what would happen to files, without sending any: which routes take them and what each step does',
    define: (command) =>
      command
        .option('-f, --file <path...>', 'route files that are proposed; the routes in force when absent')
        .option('--path <path>', 'the same as the argument: of a made-up file, e.g. inbound/orders/a.csv')
        .option('--size <size>', 'of that file, e.g. 10MB', parseBytes, 1)
        .option('--source <source>', 'how that file came: sftp, s3, http, ...')
        .option('--region <region>', 'where that file arrives; the fleet’s when absent')
        .option('--user <name>', 'who sent that file')
        .option('--type <type>', 'what its content is, e.g. pdf')
        .option('--first-line <text>', 'of its text')
        .option('--metadata <name=value>', 'of its object, repeatable', parsePair)
        .option('--tag <name=value>', 'of its object, repeatable', parsePair)
        .option('--last <count>', 'the files of the tenant that arrived last, 1000 at most', parseCount)
        .option('--id <file...>', 'files by their ids')
        .option('--tenant <tenant>', 'whose; not needed where there is one'),
    run: async (context, { path: option, ...others }, [path = option]) => {
      const options = { ...others, ...(path !== undefined && { path }) };
      const files = options.file === undefined ? undefined : await readDefinitionFiles(options.file, context);
      const body = { ...(files && { documents: files }), ...(await subjectOf(context, options)) };
      const simulation = await context.api.post('/api/v1/routes/simulate', simulationSchema, { body });
      if (context.isJson) return context.terminal.json(simulation);
      if (options.path === undefined) printMany(context, simulation);
      else printOne(context, simulation);
    },
  });
}

async function subjectOf(context: CommandContext, options: SimulateOptions) {
  const { path, last, id, tenant: given } = options;
  if ([path, last, id].filter((part) => part !== undefined).length !== 1)
    throw new LongshoreError('USAGE', 'Give one of a path, --last and --id.');
  if (id !== undefined) return { file_ids: id };
  const tenants = given === undefined ? await context.tenants() : [{ tenant: given }];
  const [only] = tenants;
  if (only === undefined || tenants.length > 1)
    throw new LongshoreError('USAGE', 'There are several tenants.', { hint: 'Name one with --tenant.' });
  const { tenant } = only;
  if (path === undefined) return { sample: { tenant, last } };
  const { size, source, region, user, type, firstLine, metadata, tag } = options;
  return {
    file: { tenant, path, size_bytes: size, source, region, user, type, first_line: firstLine, metadata, tags: tag },
  };
}

function printOne({ terminal }: CommandContext, { decisions: [decision] }: Simulation): void {
  if (decision === undefined) return;
  const size = decision.is_large ? 'large' : 'small';
  terminal.line(`${decision.file.path} would be ${decision.outcome} (a ${size} file)`);
  if (decision.error !== null)
    terminal.line(`${decision.error.code} ${decision.error.cause}: ${decision.error.message}`);
  for (const route of decision.routes.filter(({ takes }) => takes)) {
    terminal.line('');
    terminal.line(`${route.route} ${route.version === null ? '(as proposed)' : `version ${route.version}`} takes it`);
    const steps = route.steps.map(({ kind, class: runs, would }) => [`  ${kind}`, runs, would]);
    for (const line of formatTable(['  STEP', 'CLASS', 'WOULD'], steps)) terminal.line(line);
    if (route.lane !== null && route.lane !== 'standard') terminal.line(`  It goes in the lane ${route.lane}.`);
    if (route.starts_at !== null) terminal.line(`  It waits for its quiet hours, until ${route.starts_at}.`);
    if (route.joins_batch) terminal.line('  It waits with other files until its batch closes.');
    if (route.held) terminal.line('  It would be held for a person first.');
    if (route.order_group !== null) terminal.line(`  It goes in the order of ${route.order_group}`);
    for (const { channel, kind, on } of route.notifies)
      terminal.line(`  ${channel} (${kind}) is notified: ${on.join(', ')}`);
  }
  const others = decision.routes.filter(({ takes }) => !takes).map(({ route, because }) => [route, because]);
  if (others.length > 0) {
    terminal.line('');
    for (const line of formatTable(['NOT BY', 'BECAUSE'], others)) terminal.line(line);
  }
  if (decision.changes !== 'same')
    terminal.line(`\nNow it is taken by ${decision.present.length === 0 ? 'no route' : decision.present.join(', ')}.`);
}

/** Those whose way changes, else those that nobody takes. */
function printMany({ terminal }: CommandContext, { decisions, summary }: Simulation): void {
  const { files, quarantined, same, steps, other, none } = summary;
  const changed = decisions.filter(({ changes, outcome }) => changes !== 'same' || outcome === 'quarantined');
  const rows = changed.map(({ file, changes, routes, present, error }) => [
    file.path,
    changes,
    present.join(', ') || null,
    routes.map(({ route }) => route).join(', ') || null,
    error?.cause,
  ]);
  if (rows.length > 0)
    for (const line of formatTable(['FILE', 'CHANGE', 'NOW', 'WOULD BE', 'CAUSE'], rows)) terminal.line(line);
  const counts = `same ${same}, other steps ${steps}, other route ${other}, new route ${summary.new}, no route any more ${none}`;
  terminal.line(`${files} files: ${counts}; ${quarantined} would be quarantined`);
}
