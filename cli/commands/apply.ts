/** `longshore apply`: tenants, partners, stores and routes from files, all of them or none. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { pathOf } from '#cli/find-connection.ts';
import { formatTable } from '#cli/terminal.ts';
import { LongshoreError } from '#shared/errors.ts';

const changesSchema = z.array(
  z.object({
    tenant: z.string(),
    name: z.string(),
    version: z.number(),
    change: z.string(),
    disabled: z.boolean().optional(),
  }),
);

const appliedSchema = z.object({
  dry_run: z.boolean(),
  tenants: z.array(z.object({ tenant: z.string(), change: z.string(), disabled: z.boolean().optional() })),
  sftp_users: z.array(z.object({ username: z.string(), tenant: z.string(), change: z.string() })),
  partners: changesSchema,
  stores: changesSchema,
  routes: changesSchema,
});

export function addApply(program: Command, cli: Cli): void {
  addCommand<{ file: string[]; dryRun?: boolean }>(program, cli, {
    usage: 'apply',
    description: 'apply tenants, partners, stores and routes from YAML or JSON files',
    define: (command) =>
      command
        .requiredOption(
          '-f, --file <path...>',
          'file, directory (searched for .yaml, .yml, .json) or - for standard input',
        )
        .option('--dry-run', 'only check the files and show what would change'),
    run: async (context, { file, dryRun }) => {
      const { api, isJson, terminal } = context;
      const files = (await Promise.all(file.map((path) => readFiles(path, context)))).flat();
      const query = { dry_run: dryRun === true };
      const applied = await api.post('/api/v1/routes', appliedSchema, { query, body: { files } });
      if (isJson) return terminal.json(applied);
      const rows = [
        ...applied.tenants.map((change) => ['tenant', change.tenant, '', shownChange(change)]),
        ...applied.sftp_users.map(({ username, tenant, change }) => ['sftp user', `${tenant}/${username}`, '', change]),
        ...applied.partners.map((change) => rowOf('partner', change)),
        ...applied.stores.map((change) => rowOf('store', change)),
        ...applied.routes.map((change) => rowOf('route', change)),
      ];
      for (const line of formatTable(['KIND', 'NAME', 'VERSION', applied.dry_run ? 'WOULD BE' : 'CHANGE'], rows))
        terminal.line(line);
      if (applied.dry_run) terminal.note('Nothing was applied: this was a dry run.');
    },
  });
}

function rowOf(kind: string, change: z.infer<typeof changesSchema>[number]) {
  return [kind, `${change.tenant}/${change.name}`, change.version, shownChange(change)];
}

function shownChange({ change, disabled = false }: { change: string; disabled?: boolean | undefined }): string {
  return disabled ? `${change}, still disabled` : change;
}

async function readFiles(
  path: string,
  { config, terminal }: CommandContext,
): Promise<{ name: string; text: string }[]> {
  if (path === '-') return [{ name: '(stdin)', text: await terminal.readInput() }];
  const place = pathOf(path, config);
  const found = await stat(place).catch(() => undefined);
  if (found?.isFile()) return [{ name: path, text: await readFile(place, 'utf8') }];
  if (found?.isDirectory()) return await readDirectory(path, place);
  throw new LongshoreError('USAGE', `${path} cannot be read.`, {
    hint: `There is no ${place}.`,
  });
}

async function readDirectory(shown: string, place: string): Promise<{ name: string; text: string }[]> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && /\.(?:ya?ml|json)$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1))
    .sort();
  if (paths.length === 0) throw new LongshoreError('USAGE', `${shown} has no .yaml, .yml or .json file.`);
  return await Promise.all(
    paths.map(async (path) => ({ name: join(shown, path), text: await readFile(join(place, path), 'utf8') })),
  );
}
