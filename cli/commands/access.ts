/** `longshore disable`, `enable` and `sftp-users`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { formatTable } from '#cli/terminal.ts';
import { LongshoreError } from '#shared/errors.ts';

const changedSchema = z.looseObject({ disabled: z.boolean(), changed: z.boolean() });
const usersSchema = z.object({
  sftp_users: z.array(
    z.looseObject({
      username: z.string(),
      tenant: z.string(),
      keys: z.number(),
      disabled_at: z.string().nullable(),
      removed_at: z.string().nullable(),
    }),
  ),
});

export function addAccessCommands(program: Command, config: CliConfig): void {
  for (const verb of ['disable', 'enable'] as const) {
    addCommand<{ reason: string }>(program, config, {
      usage: `${verb} <kind> <name>`,
      description:
        verb === 'disable'
          ? 'take a tenant, a route (TENANT/ROUTE) or an sftp-user out of use; takes effect within a minute'
          : 'put a tenant, a route (TENANT/ROUTE) or an sftp-user back into use',
      define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
      run: async ({ api, isJson, terminal }, { reason }, [kind = '', name = '']) => {
        const result = await api.post(`${pathOf(kind, name)}/${verb}`, changedSchema, { body: { reason } });
        if (isJson) return terminal.json(result);
        terminal.line(`${kind} ${name} ${result.changed ? `${verb}d` : `was ${verb}d before`}`);
      },
    });
  }

  addCommand(program, config, {
    usage: 'sftp-users',
    description: 'list SFTP users',
    run: async ({ api, isJson, terminal }) => {
      const { sftp_users: users } = await api.get('/api/v1/sftp-users', usersSchema);
      if (isJson) return terminal.json(users);
      const rows = users.map((user) => [user.tenant, user.username, user.keys, stateOf(user)]);
      for (const line of formatTable(['TENANT', 'USER', 'KEYS', 'STATE'], rows)) terminal.line(line);
    },
  });
}

function stateOf({ disabled_at, removed_at }: { disabled_at: string | null; removed_at: string | null }): string {
  if (disabled_at !== null) return `disabled ${disabled_at}`;
  return removed_at === null ? 'active' : `removed ${removed_at}`;
}

function pathOf(kind: string, name: string): string {
  const [first = '', second, ...rest] = name.split('/').map(encodeURIComponent);
  if (kind === 'route' && second !== undefined && rest.length === 0) return `/api/v1/routes/${first}/${second}`;
  if (kind === 'tenant' && second === undefined) return `/api/v1/tenants/${first}`;
  if (kind === 'sftp-user' && second === undefined) return `/api/v1/sftp-users/${first}`;
  throw new LongshoreError(
    'USAGE',
    `${JSON.stringify(kind)} and ${JSON.stringify(name)} name nothing that can be disabled.`,
    {
      hint: 'Give tenant TENANT, route TENANT/ROUTE or sftp-user NAME.',
    },
  );
}
