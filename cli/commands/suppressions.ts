/** `longshore suppressions`: who gets no mails of campaigns. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';
import { readNamedFile } from '#cli/read-named-file.ts';

const listedSchema = z.object({
  ...{ address: z.string().nullable(), topic: z.string(), reason: z.string(), origin: z.string() },
  ...{ created_at: z.string(), expires_at: z.string().nullable() },
});
const importedSchema = z.object({
  ...{ imported: z.number(), known: z.number() },
  rejected: z.array(z.object({ index: z.number(), code: z.string() })),
});
/** Of one request. */
const MOST_IMPORTED = 10_000;

export function addSuppressions(program: Command, cli: Cli): void {
  const suppressions = addCommand<{ tenant?: string; topic?: string; reason?: string; limit: number }>(program, cli, {
    usage: 'suppressions',
    description: 'list addresses that get no mails of campaigns',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'with an operator key')
        .option('--topic <topic>', 'only those of this topic; * for all topics')
        .option('--reason <reason>', 'such as unsubscribed, complaint or hard-bounce')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { limit: most, ...filters }) => {
      const times = await context.times(filters.tenant);
      const schema = z.object({ suppressions: z.array(listedSchema), next_cursor: z.string().nullable() });
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const reply = await context.api.get('/api/v1/suppressions', schema, { query: { ...filters, ...page } });
          return { entries: reply.suppressions, next: reply.next_cursor };
        },
        headings: ['ADDRESS', 'TOPIC', 'REASON', 'SINCE', 'UNTIL'],
        rowOf: ({ address, topic, reason, created_at: since, expires_at: until }) => [
          ...[address ?? '***', topic, reason, times.show(since), until === null ? null : times.show(until)],
        ],
        what: 'suppressions',
        filters: { tenant: filters.tenant, others: [filters.topic, filters.reason] },
      });
    },
  });

  addCommand<{ tenant?: string; topic?: string }>(suppressions, cli, {
    usage: 'import <file>',
    description: 'import addresses to suppress, one per line',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'with an operator key')
        .option('--topic <topic>', 'of this topic alone (default: nothing at all)'),
    run: async ({ api, config, isJson, terminal }, { tenant, topic }, [file = '']) => {
      const text = (await readNamedFile(file, config)).toString('utf8');
      const lines = text.split(/\r?\n/).map((address, index) => ({ address: address.trim(), line: index + 1 }));
      const filled = lines.filter(({ address }) => address !== '');
      const total = { imported: 0, known: 0, rejected: [] as { line: number; code: string }[] };
      for (let from = 0; from < filled.length; from += MOST_IMPORTED) {
        const part = filled.slice(from, from + MOST_IMPORTED);
        const body = { tenant, topic, addresses: part.map(({ address }) => address) };
        const reply = await api.post('/api/v1/suppressions', importedSchema, { body });
        total.imported += reply.imported;
        total.known += reply.known;
        total.rejected.push(...reply.rejected.map(({ index, code }) => ({ line: part[index]?.line ?? 0, code })));
      }
      if (isJson) return terminal.json(total);
      terminal.line(`${total.imported} imported, ${total.known} known, ${total.rejected.length} rejected`);
      for (const { line, code } of total.rejected) terminal.line(`  line ${line}: ${code}`);
    },
  });
}
