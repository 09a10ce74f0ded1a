/** `longshore files`: files by filters, newest first; `longshore reroute`: a quarantined file to the router again. */
import type { Command } from 'commander';
import { z } from 'zod';
import { collectPages } from '#cli/collect-pages.ts';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { parseCount, parseTime } from '#cli/parse-option.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';

const filePageSchema = z.object({
  files: z.array(
    z.looseObject({
      file_id: z.string(),
      customer_id: z.string(),
      file_name: z.string(),
      file_size: z.number(),
      status: z.string(),
      registered_at: z.string(),
      error: z.object({ code: z.string() }).nullable(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

const foundSchema = z.looseObject({ file_id: z.uuid() });

const reroutedSchema = z.looseObject({
  file_id: z.string(),
  file_name: z.string(),
  customer_id: z.string(),
  status: z.string(),
});

interface FilesOptions {
  readonly tenant?: string;
  readonly status?: string;
  readonly name?: string;
  readonly type?: string;
  readonly since?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
}

export function addFiles(program: Command, config: CliConfig): void {
  addCommand<FilesOptions>(program, config, {
    usage: 'files',
    description: 'list files, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>')
        .option('--status <status>', 'uploaded, queued, processing, completed, failed, quarantined or companion')
        .option('--name <name>', 'exact, or with * for any run of characters')
        .option('--type <extension>')
        .option('--since <age>', 'registered in the last 90s, 30m, 2h, 7d', parseTime)
        .option('--from <time>', 'registered at this time or later, e.g. 2026-01-31T08:00:00Z, or 2h ago', parseTime)
        .option('--to <time>', 'registered before this time', parseTime)
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async ({ api, isJson, terminal }, { since, from = since, limit: most, ...options }) => {
      const { tenant, status, name, type, to } = options;
      const filters = { tenant, status, name, type, from, to };
      const { entries, hasMore } = await collectPages(most, async (page) => {
        const { files, next_cursor } = await api.get('/api/v1/files', filePageSchema, {
          query: { ...filters, ...page },
        });
        return { entries: files, next: next_cursor };
      });
      if (isJson) return terminal.json(entries);
      const rows = entries.map((file) => [
        file.file_id,
        file.customer_id,
        file.status,
        file.file_size,
        file.registered_at,
        file.file_name,
        file.error?.code,
      ]);
      for (const line of formatTable(['FILE', 'TENANT', 'STATUS', 'BYTES', 'REGISTERED', 'NAME', 'ERROR'], rows))
        terminal.line(line);
      if (hasMore) terminal.note('There are more; narrow the filters or raise --limit.');
    },
  });

  addCommand<{ reason: string }>(program, config, {
    usage: 'reroute <file>',
    description: 'route a quarantined file again, by the routes as they are now; by id, name or path',
    define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
    run: async ({ api, isJson, terminal }, { reason }, [reference = '']) => {
      const { file_id: id } = await api.get('/status', foundSchema, { query: { file_id: reference } });
      const file = await api.post(`/api/v1/files/${id}/reroute`, reroutedSchema, { body: { reason } });
      if (isJson) return terminal.json(file);
      const { file_id, file_name, customer_id, status } = file;
      for (const line of formatFields({ file: file_id, name: file_name, tenant: customer_id, status }))
        terminal.line(line);
    },
  });
}
