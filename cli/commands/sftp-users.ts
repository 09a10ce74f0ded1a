/** `longshore sftp-users show`, `create`, `add-key` and `revoke-key`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { readNamedFile } from '#cli/read-named-file.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';
import { TIME_FORMS } from '#cli/times.ts';

const userSchema = z.looseObject({
  username: z.string(),
  tenant: z.string(),
  home: z.string(),
  disabled_at: z.string().nullable(),
  removed_at: z.string().nullable(),
  keys: z.array(
    z.looseObject({
      fingerprint: z.string(),
      type: z.string(),
      label: z.string(),
      source: z.string(),
      valid_from: z.string().nullable(),
      valid_until: z.string().nullable(),
      revoked_at: z.string().nullable(),
      active: z.boolean(),
    }),
  ),
});
type User = z.infer<typeof userSchema>;

const WHY = ['--reason <text>', 'why; kept in the audit'] as const;

export function addSftpUserCommands(parent: Command, cli: Cli): void {
  addCommand(parent, cli, {
    usage: 'show <user>',
    description: 'show an SFTP user with its keys',
    run: async (context, _options, [name = '']) =>
      printUser(context, await context.api.get(userPath(name), userSchema)),
  });

  addCommand<{ tenant: string; reason: string }>(parent, cli, {
    usage: 'create <user>',
    description: "create an SFTP user that the tenant's file does not have",
    define: (command) => command.requiredOption('--tenant <tenant>', 'whose files it sends').requiredOption(...WHY),
    run: async (context, { tenant, reason }, [username = '']) => {
      const body = { tenant, username, reason };
      await printUser(context, await context.api.post('/api/v1/sftp-users', userSchema, { body }));
    },
  });

  addCommand<{ label: string; from?: string; until?: string; reason: string }>(parent, cli, {
    usage: 'add-key <user> <file>',
    description: 'give an SFTP user a further key, from a .pub file',
    define: (command) =>
      command
        .requiredOption('--label <text>', 'whose key it is, or what for')
        .option('--from <time>', `it may log in from then on: ${TIME_FORMS}`)
        .option('--until <time>', 'it may log in until then')
        .requiredOption(...WHY),
    run: async (context, { label, from, until, reason }, [name = '', file = '']) => {
      const times = await context.times();
      const body = {
        public_key: (await readNamedFile(file, context.config)).toString().trim(),
        label,
        valid_from: from && times.parse(from),
        valid_until: until && times.parse(until),
        reason,
      };
      await printUser(context, await context.api.post(`${userPath(name)}/keys`, userSchema, { body }));
    },
  });

  addCommand<{ reason: string }>(parent, cli, {
    usage: 'revoke-key <user> <fingerprint>',
    description: 'revoke one key of an SFTP user; sessions that it opened end within a minute',
    define: (command) => command.requiredOption(...WHY),
    run: async (context, { reason }, [name = '', fingerprint = '']) => {
      const body = { fingerprint, reason };
      await printUser(context, await context.api.post(`${userPath(name)}/keys/revoke`, userSchema, { body }));
    },
  });
}

function userPath(name: string): string {
  return `/api/v1/sftp-users/${encodeURIComponent(name)}`;
}

async function printUser(context: CommandContext, user: User): Promise<void> {
  if (context.isJson) return context.terminal.json(user);
  const times = await context.times(user.tenant);
  const { username, tenant, home } = user;
  const state = user.disabled_at !== null ? 'disabled' : user.removed_at !== null ? 'removed' : 'active';
  for (const line of formatFields({ user: username, tenant, home, state })) context.terminal.line(line);
  context.terminal.line('');
  const rows = user.keys.map((key) => [
    key.fingerprint,
    key.type,
    key.label,
    key.source,
    times.show(key.valid_from),
    times.show(key.valid_until),
    key.revoked_at === null ? (key.active ? 'active' : 'not now') : `revoked ${times.show(key.revoked_at)}`,
  ]);
  for (const line of formatTable(['KEY', 'TYPE', 'LABEL', 'FROM', 'VALID FROM', 'VALID UNTIL', 'STATE'], rows))
    context.terminal.line(line);
}
