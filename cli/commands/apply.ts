/** `longshore apply` and `longshore diff`: tenants and all that is theirs from files, all of them or none. */
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { PROPOSE_OPTION, propose } from '#cli/propose.ts';
import { readDefinitionFiles } from '#cli/read-definition-files.ts';
import { formatTable, printText } from '#cli/terminal.ts';

const changesSchema = z.array(
  z.object({
    tenant: z.string(),
    name: z.string(),
    version: z.number(),
    change: z.string(),
    disabled: z.boolean().optional(),
    diff: z.string().default(''),
  }),
);

const appliedSchema = z.object({
  dry_run: z.boolean(),
  tenants: z.array(z.object({ tenant: z.string(), change: z.string(), disabled: z.boolean().optional() })),
  sftp_users: z.array(z.object({ username: z.string(), tenant: z.string(), change: z.string() })),
  partners: changesSchema,
  stores: changesSchema,
  databases: changesSchema,
  calendars: changesSchema,
  expectations: changesSchema,
  senders: changesSchema,
  remotes: changesSchema,
  sources: changesSchema,
  routes: changesSchema,
  missing: z.array(
    z.object({
      kind: z.string(),
      tenant: z.string(),
      name: z.string(),
      version: z.number(),
      change: z.enum(['kept', 'removed']),
      used_by: z.array(z.string()),
    }),
  ),
});
type Applied = z.infer<typeof appliedSchema>;

const FILE_OPTION = [
  '-f, --file <path...>',
  'file, directory (searched for .yaml, .yml, .json) or - for standard input',
] as const;
const PRUNE = 'remove what the files do not have, of the tenants and kinds in them; what a route uses is kept';

interface ApplyOptions {
  readonly file: string[];
  readonly dryRun?: boolean;
  readonly prune?: boolean;
  readonly propose?: boolean;
  readonly reason?: string;
}

export function addApply(program: Command, cli: Cli): void {
  addCommand<ApplyOptions>(program, cli, {
    usage: 'apply',
    description:
      'apply tenants, partners, stores, databases, remotes, sources, calendars, expectations, senders and routes from YAML or JSON files',
    define: (command) =>
      command
        .requiredOption(...FILE_OPTION)
        .option('--dry-run', 'only check the files and show what would change')
        .option('--prune', PRUNE)
        .addOption(new Option(...PROPOSE_OPTION).conflicts(['dryRun', 'prune']))
        .option('--reason <text>', 'why; kept in the audit'),
    run: async (context, options) => {
      const { isJson, terminal } = context;
      if (options.propose) {
        const body = { files: await readDefinitionFiles(options.file, context) };
        return await propose(context, { method: 'POST', path: '/api/v1/routes', body, reason: options.reason });
      }
      const applied = await applyFiles(context, options);
      if (isJson) return terminal.json(applied);
      const rows = [
        ...applied.tenants.map((change) => ['tenant', change.tenant, '', shownChange(change)]),
        ...applied.sftp_users.map(({ username, tenant, change }) => ['sftp user', `${tenant}/${username}`, '', change]),
        ...ownedBy(applied).map(([kind, change]) => rowOf(kind, change)),
        ...applied.missing.map((each) => rowOf(each.kind, { ...each, change: shownMissing(each) })),
      ];
      for (const line of formatTable(['KIND', 'NAME', 'VERSION', applied.dry_run ? 'WOULD BE' : 'CHANGE'], rows))
        terminal.line(line);
      const unused = applied.missing.filter(({ change, used_by }) => change === 'kept' && used_by.length === 0);
      if (unused.length > 0) terminal.note(`The files do not have ${unused.length} of these; --prune removes them.`);
      if (applied.dry_run) terminal.note('Nothing was applied: this was a dry run.');
    },
  });

  addCommand<Pick<ApplyOptions, 'file' | 'prune'>>(program, cli, {
    usage: 'diff',
    description: 'show what apply would change, line by line; exit code 6 if it would change anything',
    define: (command) => command.requiredOption(...FILE_OPTION).option('--prune', PRUNE),
    run: async (context, options) => {
      const { isJson, terminal } = context;
      const applied = await applyFiles(context, { ...options, dryRun: true });
      const users = applied.sftp_users.filter(({ change }) => change === 'removed');
      const changed = ownedBy(applied).filter(([, { change }]) => change !== 'unchanged');
      const created = applied.tenants.filter(({ change }) => change === 'created');
      const removed = applied.missing.filter(({ change }) => change === 'removed');
      if (users.length + changed.length + created.length + removed.length > 0) context.exitWith(EXIT.needsAttention);
      if (isJson) return terminal.json(applied);
      for (const { tenant } of created) terminal.line(`tenant ${tenant} would be created`);
      for (const { tenant, username } of users) terminal.line(`sftp user ${tenant}/${username} would be removed`);
      for (const [kind, { tenant, name, change, diff }] of changed) {
        terminal.line(`${kind} ${tenant}/${name} would be ${change}`);
        printText(terminal, diff);
      }
      for (const each of applied.missing)
        terminal.line(
          `${each.kind} ${each.tenant}/${each.name} ${each.change === 'removed' ? 'would be removed' : `is not in the files, and is ${shownMissing(each)}`}`,
        );
    },
  });
}

async function applyFiles(context: CommandContext, { file, dryRun, prune, reason }: ApplyOptions): Promise<Applied> {
  const files = await readDefinitionFiles(file, context);
  const query = { dry_run: dryRun === true, prune: prune === true, reason };
  return await context.api.post('/api/v1/routes', appliedSchema, { query, body: { files } });
}

function ownedBy(applied: Applied) {
  const { partners, stores, databases, remotes, sources, calendars, expectations, senders, routes } = applied;
  const of = (kind: string, changes: Applied['routes']) => changes.map((change) => [kind, change] as const);
  return [
    ...of('partner', partners),
    ...of('store', stores),
    ...of('database', databases),
    ...of('remote', remotes),
    ...of('source', sources),
    ...of('calendar', calendars),
    ...of('expectation', expectations),
    ...of('sender', senders),
    ...of('route', routes),
  ];
}

function shownMissing({ change, used_by: users }: Applied['missing'][number]): string {
  return users.length === 0 ? change : `${change}: used by ${users.join(', ')}`;
}

function rowOf(
  kind: string,
  change: Pick<Applied['routes'][number], 'tenant' | 'name' | 'version' | 'change' | 'disabled'>,
) {
  return [kind, `${change.tenant}/${change.name}`, change.version, shownChange(change)];
}

function shownChange({ change, disabled = false }: { change: string; disabled?: boolean | undefined }): string {
  return disabled ? `${change}, still disabled` : change;
}
