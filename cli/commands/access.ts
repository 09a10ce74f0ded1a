/** `longshore disable`, `enable` and `sftp-users`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { ALL_ENTRIES, listEntries } from '#cli/list-entries.ts';
import { PROPOSE_OPTION, propose } from '#cli/propose.ts';
import type { Times } from '#cli/times.ts';
import { LongshoreError } from '#shared/errors.ts';
import { addSftpUserCommands } from './sftp-users.ts';

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

export function addAccessCommands(program: Command, cli: Cli): void {
  for (const verb of ['disable', 'enable'] as const) {
    addCommand<{ reason: string; propose?: true }>(program, cli, {
      usage: `${verb} <kind> <name>`,
      description:
        verb === 'disable'
          ? 'take a tenant, a route (TENANT/ROUTE) or an sftp-user out of use, within a minute'
          : 'put a tenant, a route (TENANT/ROUTE) or an sftp-user back into use',
      define: (command) =>
        command.requiredOption('--reason <text>', 'why; kept in the audit').option(...PROPOSE_OPTION),
      run: async (context, { reason, propose: isProposal }, [kind = '', name = '']) => {
        const { api, isJson, terminal } = context;
        const path = `${pathOf(kind, name)}/${verb}`;
        if (isProposal) return await propose(context, { method: 'POST', path, body: {}, reason });
        const result = await api.post(path, changedSchema, { body: { reason } });
        if (isJson) return terminal.json(result);
        terminal.line(`${kind} ${name} ${result.changed ? `${verb}d` : `was ${verb}d before`}`);
      },
    });
  }

  const users = addCommand(program, cli, {
    usage: 'sftp-users',
    description: 'list SFTP users',
    run: async (context) => {
      const times = await context.times();
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async () => ({
          entries: (await context.api.get('/api/v1/sftp-users', usersSchema)).sftp_users,
          next: null,
        }),
        headings: ['TENANT', 'USER', 'KEYS', 'STATE'],
        rowOf: (user) => [user.tenant, user.username, user.keys, stateOf(user, times)],
        what: 'SFTP users',
      });
    },
  });
  addSftpUserCommands(users, cli);
}

function stateOf(
  { disabled_at: disabledAt, removed_at: removedAt }: { disabled_at: string | null; removed_at: string | null },
  times: Times,
): string {
  if (disabledAt !== null) return `disabled ${times.show(disabledAt)}`;
  return removedAt === null ? 'active' : `removed ${times.show(removedAt)}`;
}

function pathOf(kind: string, name: string): string {
  const [first = '', second, ...rest] = name.split('/').map(encodeURIComponent);
  if (kind === 'route' && second !== undefined && rest.length === 0) return `/api/v1/routes/${first}/${second}`;
  if (kind === 'tenant' && second === undefined) return `/api/v1/tenants/${first}`;
  if (kind === 'sftp-user' && second === undefined) return `/api/v1/sftp-users/${first}`;
  throw new LongshoreError(
    'USAGE',
    `${JSON.stringify(kind)} and ${JSON.stringify(name)} do not name anything that can be disabled.`,
    {
      hint: 'Give tenant TENANT, route TENANT/ROUTE or sftp-user NAME.',
    },
  );
}
