/** `longshore usage`. */
import type { Command } from 'commander';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { explainEmpty } from '#cli/list-entries.ts';
import { formatTable } from '#cli/terminal.ts';
import { usageCsv, usageReplySchema } from '#shared/api/usage.ts';

interface UsageOptions {
  readonly tenant?: string;
  readonly from?: string;
  readonly to?: string;
  readonly csv?: boolean;
}

export function addUsage(program: Command, cli: Cli): void {
  addCommand<UsageOptions>(program, cli, {
    usage: 'usage',
    description: 'show files, bytes, records, mails and calls per tenant and day (UTC)',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only this tenant')
        .option('--from <day>', 'this day or later, e.g. 2026-01-31 (default: 30 days ago)')
        .option('--to <day>', 'this day or earlier')
        .option('--csv', 'print CSV'),
    run: async (context, { csv = false, tenant, from, to }) => {
      const { api, terminal } = context;
      const query = { tenant, from, to };
      const { usage } = await api.get('/api/v1/usage', usageReplySchema, { query });
      if (context.isJson) return terminal.json(usage);
      if (csv) return terminal.write(usageCsv(usage));
      if (usage.length === 0) return await explainEmpty(context, 'days with usage', { tenant, others: [from, to] });
      const rows = usage.map((row) => [row.day, row.tenant, row.files, row.bytes, row.records, row.mails, row.calls]);
      for (const line of formatTable(['DAY', 'TENANT', 'FILES', 'BYTES', 'RECORDS', 'MAILS', 'CALLS'], rows))
        terminal.line(line);
    },
  });
}
