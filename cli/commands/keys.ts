/** `longshore keys`: API keys; and `longshore whoami`. */
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { ALL_ENTRIES, listEntries } from '#cli/list-entries.ts';
import { ROLES } from '#shared/access/permissions.ts';
import { SCOPES } from '#shared/access/scopes.ts';
import { LongshoreError } from '#shared/errors.ts';

const keysSchema = z.object({
  keys: z.array(
    z.object({
      key_id: z.string(),
      tenant: z.string().nullable(),
      label: z.string(),
      role: z.string(),
      scopes: z.array(z.string()).nullish(),
      created_at: z.string(),
      expires_at: z.string().nullable(),
      last_used_at: z.string().nullable(),
      revoked_at: z.string().nullable(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

interface CreateOptions {
  readonly tenant?: string;
  readonly operator?: boolean;
  readonly label: string;
  readonly role?: string;
  readonly scope?: string[];
  /** In days. */
  readonly expires?: number;
}

const DAY_MS = 86_400_000;

export function addKeyCommands(program: Command, cli: Cli): void {
  const keys = program.command('keys').description('make, list, rotate and revoke API keys');

  addCommand<CreateOptions>(keys, cli, {
    usage: 'create',
    description: 'make a key and print it; it is shown only once',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'a key that sees this tenant only')
        .option('--operator', 'a key that sees every tenant')
        .requiredOption('--label <text>', 'what it is for')
        .option('--role <role>', `what it may do: ${ROLES.join(', ')}`)
        .option('--scope <scope...>', `narrow the key to a part of its role: ${SCOPES.join(', ')}`)
        .option('--expires <days>', 'days after which it expires; never without it', parseUpTo(3_650, 'days')),
    run: async ({ api, isJson, terminal, now }, { tenant, operator, label, role, scope, expires }) => {
      if ((tenant === undefined) === (operator !== true))
        throw new LongshoreError('USAGE', 'Pass either --tenant or --operator.', {
          hint: 'A key of a tenant sees that tenant only; a key of an operator sees every tenant.',
        });
      const schema = z.object({ key_id: z.string(), key: z.string() });
      const made = await api.post('/api/v1/keys', schema, {
        body: {
          tenant: tenant ?? null,
          label,
          role,
          scopes: scope,
          expires_at: expires === undefined ? undefined : new Date(now() + expires * DAY_MS).toISOString(),
        },
      });
      if (isJson) return terminal.json(made);
      terminal.line(made.key);
      terminal.note(`This is key ${made.key_id}. It is shown this once; store it now.`);
    },
  });

  addCommand<{ overlap?: number }>(keys, cli, {
    usage: 'rotate <key-id>',
    description: 'make the successor of a key and print it; both work until the overlap is over',
    define: (command) =>
      command.option(
        '--overlap <hours>',
        'hours for which the old key still works (default: 24)',
        parseUpTo(720, 'hours'),
      ),
    run: async ({ api, isJson, terminal }, { overlap }, [id = '']) => {
      const schema = z.object({ key_id: z.string(), key: z.string(), old_key_expires_at: z.string() });
      const made = await api.post(`/api/v1/keys/${encodeURIComponent(id)}/rotate`, schema, {
        body: { overlap_hours: overlap },
      });
      if (isJson) return terminal.json(made);
      terminal.line(made.key);
      terminal.note(
        `This is key ${made.key_id}. It is shown this once; the old key expires ${made.old_key_expires_at}.`,
      );
    },
  });

  addCommand(keys, cli, {
    usage: 'revoke <key-id>',
    description: 'revoke a key; it stops working within a minute',
    run: async ({ api, isJson, terminal }, _options, [id = '']) => {
      const schema = z.object({ key_id: z.string(), revoked: z.boolean() });
      const revoked = await api.post(`/api/v1/keys/${encodeURIComponent(id)}/revoke`, schema);
      if (isJson) return terminal.json(revoked);
      terminal.line(`${revoked.key_id} revoked`);
    },
  });

  addCommand(keys, cli, {
    usage: 'list',
    description: 'list keys; a key itself is never shown again',
    run: async (context) => {
      const times = await context.times();
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const { keys, next_cursor } = await context.api.get('/api/v1/keys', keysSchema, { query: { ...page } });
          return { entries: keys, next: next_cursor };
        },
        headings: ['KEY', 'TENANT', 'LABEL', 'ROLE', 'SCOPES', 'SINCE', 'LAST USED', 'EXPIRES', 'REVOKED'],
        rowOf: (key) => [
          key.key_id,
          key.tenant ?? '(operator)',
          key.label,
          key.role,
          key.scopes?.join(' ') ?? 'all',
          times.show(key.created_at),
          times.show(key.last_used_at),
          times.show(key.expires_at),
          times.show(key.revoked_at),
        ],
        what: 'keys',
      });
    },
  });
}

export function addWhoAmI(program: Command, cli: Cli): void {
  addCommand(program, cli, {
    usage: 'whoami',
    description: 'show whose key is in use, and what it allows',
    run: async ({ api, isJson, terminal }) => {
      const schema = z.object({
        actor: z.string(),
        tenant: z.string().nullable(),
        role: z.string(),
        scopes: z.array(z.string()).nullish(),
        permissions: z.array(z.string()),
      });
      const me = await api.get('/api/v1/me', schema);
      if (isJson) return terminal.json(me);
      terminal.line(`${me.actor}  ${me.role}  ${me.tenant ?? 'every tenant'}`);
      if (me.scopes) terminal.line(`scopes: ${me.scopes.join(' ')}`);
      terminal.line(me.permissions.join(' '));
    },
  });
}

function parseUpTo(most: number, unit: string) {
  return (text: string): number => {
    const count = Number(text);
    if (text.trim() === '' || !Number.isInteger(count) || count < 0 || count > most)
      throw new InvalidArgumentError(`Pass 0 to ${most} ${unit}.`);
    return count;
  };
}
