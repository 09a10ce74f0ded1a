/** The list of one kind of definition, such as `longshore routes`, with the commands of its versions. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { ALL_ENTRIES, listEntries } from '#cli/list-entries.ts';
import type { Cell } from '#cli/terminal.ts';
import { addVersionCommands, type Plural, showDefinition } from './definition-versions.ts';

/** What each of them has, to be extended by what its columns show. */
export const appliedSchema = z.looseObject({
  customer_id: z.string(),
  name: z.string(),
  version: z.number(),
  applied_by: z.string(),
  applied_at: z.string(),
});
const namedSchema = appliedSchema.pick({ customer_id: true, name: true });
type Named = z.infer<typeof namedSchema>;

export interface DefinitionList<Entry extends Named> {
  readonly plural: Plural;
  readonly description: string;
  /** The name of an argument that shows one of them, such as `route`. */
  readonly argument?: string;
  readonly entry: z.ZodType<Entry>;
  /** By heading, after the tenant and the name. */
  readonly columns: Readonly<Record<string, (entry: Entry, show: (at: string | null) => Cell) => Cell>>;
  /** Description of an option that lists only those that an operator holds; none when absent. */
  readonly held?: string;
}

/** Who applied the version in force, and when. */
export const APPLIED_COLUMNS = {
  APPLIED: ({ applied_at }: z.infer<typeof appliedSchema>, show: (at: string | null) => Cell) => show(applied_at),
  BY: ({ applied_by }: z.infer<typeof appliedSchema>) => applied_by,
};
export const VERSION_COLUMN = { VERSION: ({ version }: z.infer<typeof appliedSchema>) => version };

export function addDefinitionList<Entry extends Named>(
  program: Command,
  cli: Cli,
  { plural, description, argument, entry, columns, held: heldOption }: DefinitionList<Entry>,
): Command {
  const pageSchema = z.looseObject({ [plural]: z.array(entry), next_cursor: z.string().nullable() });
  const command = addCommand<{ tenant?: string; held?: true }>(program, cli, {
    usage: argument === undefined ? plural : `${plural} [${argument}]`,
    description,
    define: (defined) => {
      const listed = defined.option('--tenant <tenant>', 'only those of this tenant');
      return heldOption === undefined ? listed : listed.option('--held', heldOption);
    },
    run: async (context, { tenant, held }, [name]) => {
      const times = await context.times(tenant);
      if (name !== undefined) return await showDefinition(context, { plural, reference: name, tenant });
      await listEntries<Entry>(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const reply = await context.api.get(`/api/v1/${plural}`, pageSchema, { query: { tenant, held, ...page } });
          return { entries: reply[plural] as Entry[], next: reply.next_cursor as string | null };
        },
        headings: ['TENANT', plural.slice(0, -1).toUpperCase(), ...Object.keys(columns)],
        rowOf: (each) => [
          ...[each.customer_id, each.name],
          ...Object.values(columns).map((cellOf) => cellOf(each, (at) => times.show(at))),
        ],
        what: plural,
        filters: { tenant, others: [held] },
      });
    },
  });
  addVersionCommands(command, cli, plural);
  return command;
}
