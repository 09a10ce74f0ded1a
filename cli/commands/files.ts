/** `longshore files`: files by filters, newest first; `longshore reroute`: a quarantined file to the router again. */
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount, parseList } from '#cli/parse-option.ts';
import { formatFields } from '#cli/terminal.ts';
import { TIME_FORMS } from '#cli/times.ts';

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
  readonly status?: string[];
  readonly name?: string;
  readonly type?: string;
  readonly code?: string;
  readonly since?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
}

export function addFiles(program: Command, cli: Cli): void {
  addCommand<FilesOptions>(program, cli, {
    usage: 'files',
    description: 'list files, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only those of this tenant')
        .option(
          '--status <status...>',
          'one or more of uploaded, queued, processing, completed, failed, quarantined, companion',
          parseList,
        )
        .option('--name <name>', 'the whole name, or with * for any run of characters')
        .option('--type <extension>', 'extension of the name, e.g. csv')
        .option('--code <code>', 'of failed and quarantined files: this error, e.g. NO_ROUTE')
        .option('--since <time>', `registered since then: ${TIME_FORMS}`)
        .option('--from <time>', 'the same as --since')
        .option('--to <time>', 'registered before this time')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { since, from = since, to, limit: most, ...options }) => {
      const { tenant, status, name, type, code } = options;
      const times = await context.times(tenant);
      const filters = { tenant, status: status?.join(), name, type, code };
      const span = { from: from && times.parse(from), to: to && times.parse(to) };
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const query = { ...filters, ...span, ...page };
          const { files, next_cursor } = await context.api.get('/api/v1/files', filePageSchema, { query });
          return { entries: files, next: next_cursor };
        },
        headings: ['FILE', 'TENANT', 'STATUS', 'SIZE', 'REGISTERED', 'NAME', 'ERROR'],
        rowOf: (file) => [
          file.file_id,
          file.customer_id,
          file.status,
          prettyBytes(file.file_size),
          times.show(file.registered_at),
          file.file_name,
          file.error?.code,
        ],
        what: 'files',
        filters: { tenant, name, others: [status, type, code, from, to] },
      });
    },
  });

  addCommand<{ reason: string }>(program, cli, {
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
