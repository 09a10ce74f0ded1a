/** `longshore keys`: API keys, for operators. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { ALL_ENTRIES, listEntries } from '#cli/list-entries.ts';
import { LongshoreError } from '#shared/errors.ts';

const keysSchema = z.object({
  keys: z.array(
    z.object({
      key_id: z.string(),
      tenant: z.string().nullable(),
      label: z.string(),
      created_at: z.string(),
      revoked_at: z.string().nullable(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

export function addKeyCommands(program: Command, cli: Cli): void {
  const keys = program.command('keys').description('make, list and revoke API keys');

  addCommand<{ tenant?: string; operator?: boolean; label: string }>(keys, cli, {
    usage: 'create',
    description: 'make a key and print it; it is shown only once',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'a key that sees this tenant only')
        .option('--operator', 'a key that sees every tenant')
        .requiredOption('--label <text>', 'what it is for'),
    run: async ({ api, isJson, terminal }, { tenant, operator, label }) => {
      if ((tenant === undefined) === (operator !== true))
        throw new LongshoreError('USAGE', 'Pass either --tenant or --operator.', {
          hint: 'A key of a tenant sees that tenant only; a key of an operator sees every tenant.',
        });
      const schema = z.object({ key_id: z.string(), key: z.string() });
      const made = await api.post('/api/v1/keys', schema, { body: { tenant: tenant ?? null, label } });
      if (isJson) return terminal.json(made);
      terminal.line(made.key);
      terminal.note(`This is key ${made.key_id}. It is shown this once; store it now.`);
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
        headings: ['KEY', 'TENANT', 'LABEL', 'SINCE', 'REVOKED'],
        rowOf: (key) => [
          key.key_id,
          key.tenant ?? '(operator)',
          key.label,
          times.show(key.created_at),
          times.show(key.revoked_at),
        ],
        what: 'keys',
      });
    },
  });
}
