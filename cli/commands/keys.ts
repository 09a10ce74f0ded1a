/** `longshore keys`: API keys, for operators. */
import type { Command } from 'commander';
import { z } from 'zod';
import { collectPages } from '#cli/collect-pages.ts';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { formatTable } from '#cli/terminal.ts';
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

const MOST_KEYS = 100_000;

export function addKeyCommands(program: Command, config: CliConfig): void {
  const keys = program.command('keys').description('make, list and revoke API keys');

  addCommand<{ tenant?: string; operator?: boolean; label: string }>(keys, config, {
    usage: 'create',
    description: 'make a key and print it; nothing can show it again',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'whose files it sees')
        .option('--operator', 'a key that sees every tenant')
        .requiredOption('--label <text>', 'what it is for'),
    run: async ({ api, isJson, terminal }, { tenant, operator, label }) => {
      if ((tenant === undefined) === (operator !== true))
        throw new LongshoreError('USAGE', 'Say whose key it is.', {
          hint: 'Give either --tenant TENANT or --operator.',
        });
      const schema = z.object({ key_id: z.string(), key: z.string() });
      const made = await api.post('/api/v1/keys', schema, { body: { tenant: tenant ?? null, label } });
      if (isJson) return terminal.json(made);
      terminal.line(made.key);
      terminal.note(`This is key ${made.key_id}. It is shown this once; store it now.`);
    },
  });

  addCommand(keys, config, {
    usage: 'revoke <key-id>',
    description: 'revoke a key; it stops working within a minute',
    run: async ({ api, isJson, terminal }, _options, [id = '']) => {
      const schema = z.object({ key_id: z.string(), revoked: z.boolean() });
      const revoked = await api.post(`/api/v1/keys/${encodeURIComponent(id)}/revoke`, schema);
      if (isJson) return terminal.json(revoked);
      terminal.line(`${revoked.key_id} revoked`);
    },
  });

  addCommand(keys, config, {
    usage: 'list',
    description: 'list keys, without what is secret',
    run: async ({ api, isJson, terminal }) => {
      const { entries: list } = await collectPages(MOST_KEYS, async (page) => {
        const { keys, next_cursor } = await api.get('/api/v1/keys', keysSchema, { query: page });
        return { entries: keys, next: next_cursor };
      });
      if (isJson) return terminal.json(list);
      const rows = list.map((key) => [
        key.key_id,
        key.tenant ?? '(operator)',
        key.label,
        key.created_at,
        key.revoked_at,
      ]);
      for (const line of formatTable(['KEY', 'TENANT', 'LABEL', 'SINCE', 'REVOKED'], rows)) terminal.line(line);
    },
  });
}
