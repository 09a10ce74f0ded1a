/** `show`, `versions`, `diff` and `restore` of `longshore routes`, `partners` and `stores`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { ALL_ENTRIES, listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';
import { PROPOSE_OPTION, propose } from '#cli/propose.ts';
import { type Cell, formatFields, formatTable, printText } from '#cli/terminal.ts';
import { LongshoreError } from '#shared/errors.ts';

export type Plural =
  | 'routes'
  | 'partners'
  | 'stores'
  | 'remotes'
  | 'sources'
  | 'databases'
  | 'calendars'
  | 'expectations'
  | 'senders';

const textSchema = z.looseObject({
  version: z.number(),
  applied_by: z.string(),
  applied_at: z.string(),
  source: z.string(),
  source_kept: z.boolean(),
});
const detailSchema = textSchema.extend({
  customer_id: z.string(),
  name: z.string(),
  disabled_at: z.string().nullable().default(null),
  removed_at: z.string().nullable(),
});
const versionsSchema = z.object({
  versions: z.array(
    z.looseObject({
      version: z.number(),
      applied_by: z.string(),
      applied_at: z.string(),
      in_force: z.boolean(),
      recent_jobs: z.object({ total: z.number(), failed: z.number() }).optional(),
    }),
  ),
  next_cursor: z.string().nullable(),
});
type Version = z.infer<typeof versionsSchema>['versions'][number];
const diffSchema = z.looseObject({ from: z.number(), to: z.number(), diff: z.string() });
const restoredSchema = z.looseObject({});

interface Reference {
  readonly plural: Plural;
  /** NAME or TENANT/NAME. */
  readonly reference: string;
  readonly tenant?: string | undefined;
}

const NOT_KEPT = '# its text was not kept: with the defaults filled in; durations in ms, sizes in bytes';

export function addVersionCommands(parent: Command, cli: Cli, plural: Plural): void {
  const kind = plural.slice(0, -1);
  const aKind = `${/^[aeio]/.test(kind) ? 'an' : 'a'} ${kind}`;

  addCommand(parent, cli, {
    usage: `show <${kind}> [version]`,
    description: `print the text of ${aKind} (NAME or TENANT/NAME) as it was written`,
    run: async (context, _options, [reference = '', version]) => {
      const path = await pathOf(context, { plural, reference });
      const shown = await context.api.get(version === undefined ? path : `${path}/versions/${version}`, textSchema);
      if (context.isJson) return context.terminal.json(shown);
      printSource(context, shown);
    },
  });

  addCommand(parent, cli, {
    usage: `versions <${kind}>`,
    description: `list the versions of ${aKind}, newest first`,
    run: async (context, _options, [reference = '']) => {
      const path = await pathOf(context, { plural, reference });
      const times = await context.times(tenantIn(path));
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const { versions, next_cursor } = await context.api.get(`${path}/versions`, versionsSchema, {
            query: { ...page },
          });
          return { entries: versions, next: next_cursor };
        },
        headings: VERSION_HEADINGS,
        rowOf: (version) => versionRow(version, times.show),
        what: 'versions',
      });
    },
  });

  addCommand(parent, cli, {
    usage: `diff <${kind}> [from] [to]`,
    description: `show what changed between two versions of ${aKind}; without them, what the last change was`,
    run: async (context, _options, [reference = '', from, to]) => {
      const path = await pathOf(context, { plural, reference });
      const query = { from: from && parseCount(from), to: to && parseCount(to) };
      const compared = await context.api.get(`${path}/diff`, diffSchema, { query });
      if (context.isJson) return context.terminal.json(compared);
      printText(context.terminal, compared.diff);
      if (compared.diff === '')
        context.terminal.note(`Versions ${compared.from} and ${compared.to} have the same text.`);
    },
  });

  addCommand<{ reason: string; propose?: true }>(parent, cli, {
    usage: `restore <${kind}> <version>`,
    description: `apply the text of an earlier version of ${aKind} again, as its next version`,
    define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit').option(...PROPOSE_OPTION),
    run: async (context, { reason, propose: isProposal }, [reference = '', version = '']) => {
      const path = await pathOf(context, { plural, reference });
      const restore = `${path}/versions/${parseCount(version)}/restore`;
      if (isProposal) return await propose(context, { method: 'POST', path: restore, body: {}, reason });
      const restored = await context.api.post(restore, restoredSchema, { body: { reason } });
      if (context.isJson) return context.terminal.json(restored);
      const shown = await context.api.get(path, detailSchema);
      context.terminal.line(
        `${kind} ${shown.customer_id}/${shown.name} has version ${shown.version}, the text of version ${version}`,
      );
    },
  });
}

/** With its text, its state and its versions. */
export async function showDefinition(context: CommandContext, asked: Reference): Promise<void> {
  const { api, isJson, terminal } = context;
  const path = await pathOf(context, asked);
  const shown = await api.get(path, detailSchema);
  if (isJson) return terminal.json(shown);
  const times = await context.times(shown.customer_id);
  const state = () => {
    if (shown.removed_at !== null) return `removed since ${times.show(shown.removed_at)}`;
    return shown.disabled_at === null ? 'active' : `disabled since ${times.show(shown.disabled_at)}`;
  };
  const fields = {
    [asked.plural.slice(0, -1)]: `${shown.customer_id}/${shown.name}`,
    version: `${shown.version}, applied ${times.show(shown.applied_at)} by ${shown.applied_by}`,
    state: state(),
  };
  for (const line of formatFields(fields)) terminal.line(line);
  terminal.line('');
  printSource(context, shown);
  const { versions } = await api.get(`${path}/versions`, versionsSchema);
  terminal.line('');
  const rows = versions.map((version) => versionRow(version, times.show));
  for (const line of formatTable(VERSION_HEADINGS, rows)) terminal.line(line);
}

const VERSION_HEADINGS = ['VERSION', 'APPLIED', 'BY', 'JOBS', 'FAILED', ''];

function versionRow({ version, applied_at, applied_by, in_force, recent_jobs }: Version, show: (at: string) => Cell) {
  return [version, show(applied_at), applied_by, recent_jobs?.total, recent_jobs?.failed, in_force ? 'in force' : ''];
}

function printSource({ terminal }: CommandContext, { source, source_kept }: z.infer<typeof textSchema>): void {
  if (!source_kept) terminal.line(NOT_KEPT);
  printText(terminal, source);
}

export async function pathOf(
  context: CommandContext,
  { plural, reference, tenant: given }: Reference,
): Promise<string> {
  const [first = '', second] = reference.split('/');
  const name = second ?? first;
  const tenant = second === undefined ? (given ?? (await findTenantOf(context, plural, name)) ?? '-') : first;
  return `/api/v1/${plural}/${encodeURIComponent(tenant)}/${encodeURIComponent(name)}`;
}

function tenantIn(path: string): string {
  return decodeURIComponent(path.split('/')[4] ?? '');
}

const pageSchema = z.looseObject({ next_cursor: z.string().nullable() });
const namesSchema = z.array(z.looseObject({ customer_id: z.string(), name: z.string() }));

/** @throws LongshoreError `USAGE` when several tenants have one of that name. */
async function findTenantOf({ api }: CommandContext, plural: Plural, name: string): Promise<string | undefined> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.get(`/api/v1/${plural}`, pageSchema, { query: { limit: 200, cursor } });
    const entries = namesSchema.parse(page[plural]).filter((entry) => entry.name === name);
    found.push(...entries.map((entry) => entry.customer_id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  if (found.length <= 1) return found[0];
  throw new LongshoreError('USAGE', `Several tenants have a ${plural.slice(0, -1)} ${name}.`, {
    hint: `Name one of them: ${found.map((tenant) => `${tenant}/${name}`).join(', ')}.`,
  });
}
