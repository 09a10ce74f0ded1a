/** `longshore files`: files by filters, newest first; `longshore reroute`: a quarantined file to the router again. */
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { z } from 'zod';
import type { ApiCall } from '#cli/api-client.ts';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseBytes, parseCount, parseList } from '#cli/parse-option.ts';
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
  searched_to: z.string().nullable(),
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
  readonly cause?: string;
  readonly route?: string;
  readonly partner?: string;
  readonly source?: string;
  readonly path?: string;
  readonly minSize?: number;
  readonly checksum?: string;
  readonly finishedSince?: string;
  readonly order?: string;
  readonly count?: boolean;
  readonly limit: number;
}

const countSchema = z.object({ count: z.number(), is_capped: z.boolean() });

export function addFiles(program: Command, cli: Cli): void {
  addCommand<FilesOptions>(program, cli, {
    usage: 'files',
    description: 'list files, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only those of this tenant')
        .option(
          '--status <status...>',
          'one or more of uploaded, queued, processing, completed, failed, quarantined, companion, elsewhere',
          parseList,
        )
        .option('--name <name>', 'the whole name, or with * for any run of characters')
        .option('--type <extension>', 'extension of the name, e.g. csv')
        .option('--code <code>', 'of failed and quarantined files: this error, e.g. NO_ROUTE')
        .option('--cause <cause>', 'of failed and quarantined files: this cause, e.g. HTTP_503')
        .option('--route <route>', 'with a job on a route of this name')
        .option('--partner <partner>', 'with a job on a route that calls this partner')
        .option('--source <source>', 'how it arrived, e.g. sftp, http, portal, pull, s3 or reconciliation')
        .option(
          '--path <prefix>',
          'the path begins with this, e.g. inbound/orders/ of a tenant, or acme/inbound/orders/ of any',
        )
        .option('--min-size <size>', 'at least this size, e.g. 10MB', parseBytes)
        .option('--checksum <checksum>', 'of the content, as `longshore status --json` shows it')
        .option('--finished-since <time>', 'completed, failed or quarantined since then')
        .option('--order <order>', 'newest, oldest, or finished for failed and quarantined files')
        .option('--count', 'only count them, up to 10000')
        .option('--since <time>', `registered since then: ${TIME_FORMS}`)
        .option('--from <time>', 'the same as --since')
        .option('--to <time>', 'registered before this time')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (
      context,
      { since, from = since, to, finishedSince, limit: most, order, count, minSize, ...options },
    ) => {
      const { tenant, status, name, type, ...exact } = options;
      const times = await context.times(tenant);
      const span = {
        from: from && times.parse(from),
        to: to && times.parse(to),
        finished_from: finishedSince && times.parse(finishedSince),
      };
      const filters = {
        tenant,
        status: status?.join(),
        name,
        type,
        min_size: minSize,
        ...exactFilters(exact),
        ...span,
      };
      if (count === true) return await printCount(context, filters);
      let searchedTo: string | null = null;
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const query = { ...filters, order, ...page };
          const reply = await context.api.get('/api/v1/files', filePageSchema, { query });
          searchedTo = reply.searched_to;
          return { entries: reply.files, next: reply.next_cursor };
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
        filters: { tenant, name, others: [status, type, minSize, finishedSince, from, to, ...Object.values(exact)] },
      });
      if (searchedTo !== null && !context.isJson)
        context.terminal.note(`Searched to ${times.show(searchedTo)}; files beyond it were not looked at.`);
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

function exactFilters({ code, cause, route, partner, source, path, checksum }: Partial<FilesOptions>) {
  return { code, cause, route, partner, source, path, checksum };
}

async function printCount(
  { api, isJson, terminal }: CommandContext,
  query: NonNullable<ApiCall['query']>,
): Promise<void> {
  const counted = await api.get('/api/v1/files/count', countSchema, { query });
  if (isJson) return terminal.json(counted);
  terminal.line(counted.is_capped ? `${counted.count} or more` : String(counted.count));
}
