/** `longshore audit` and `longshore audit verify`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { describeDetail } from '#cli/describe-audit.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';
import { formatTable } from '#cli/terminal.ts';
import { TIME_FORMS } from '#cli/times.ts';

/** Lines about operators' keys, and about files of no tenant; no list of tenants has it. */
const OF_NO_TENANT = 'unassigned';

const eventSchema = z.looseObject({
  at: z.string(),
  type: z.string(),
  tenant: z.string(),
  file_id: z.string().nullable(),
  job_id: z.string().nullable(),
  actor: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
const pageSchema = z.object({ events: z.array(eventSchema), next_cursor: z.string().nullable() });
const verifiedSchema = z.looseObject({
  lines: z.number(),
  first_line: z.number().nullable(),
  faults: z.array(
    z.looseObject({
      fault: z.string(),
      line: z.number().nullable(),
      event_id: z.string().nullable(),
      at: z.string().nullable(),
    }),
  ),
  head: z.looseObject({ line: z.number(), hash: z.string() }).nullable(),
  next_cursor: z.string().nullable(),
});
type Verified = z.infer<typeof verifiedSchema>;

interface ListOptions {
  readonly tenant?: string;
  readonly actor?: string;
  readonly type?: string;
  readonly file?: string;
  readonly from?: string;
  readonly to?: string;
  readonly since?: string;
  readonly limit: number;
}

export function addAudit(program: Command, cli: Cli): void {
  const audit = addCommand<ListOptions>(program, cli, {
    usage: 'audit',
    description: 'list who did what, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only lines of this tenant')
        .option('--actor <actor>', 'only what this one did, e.g. operator:maria')
        .option('--type <type>', 'only this type, e.g. job.released')
        .option('--file <id>', 'only lines of this file')
        .option('--since <time>', `since then: ${TIME_FORMS}`)
        .option('--from <time>', 'the same as --since')
        .option('--to <time>', 'before this time')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { since, from = since, to, limit: most, ...filters }) => {
      const times = await context.times(filters.tenant);
      const span = { from: from && times.parse(from), to: to && times.parse(to) };
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const query = { ...filters, ...span, ...page };
          const { events, next_cursor } = await context.api.get('/api/v1/audit', pageSchema, { query });
          return { entries: events, next: next_cursor };
        },
        headings: ['TIME', 'TENANT', 'EVENT', 'BY', 'OF', 'WHY'],
        rowOf: ({ at, tenant, type, actor, file_id, job_id, detail }) => [
          times.show(at),
          tenant,
          type,
          actor,
          job_id ?? file_id,
          describeDetail(detail),
        ],
        what: 'lines of the audit',
        filters: { tenant: filters.tenant, others: [filters.actor, filters.type, filters.file, from, to] },
      });
    },
  });

  addCommand<{ tenant?: string; known?: string }>(audit, cli, {
    usage: 'verify',
    description: 'verify the chain of hashes of each tenant; names lines that were altered, added or removed',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only the chain of this tenant')
        .option('--known <line:hash>', 'of --tenant: a line and its hash as noted before'),
    run: async (context, { tenant, known }) => {
      const all = async () => new Set([...(await context.tenants()).map((each) => each.tenant), OF_NO_TENANT]);
      const tenants = tenant === undefined ? await all() : [tenant];
      const chains = [];
      for (const each of tenants) {
        const chain = await verifyChain(context, each, known);
        if (tenant !== undefined || chain.head !== null || chain.faults.length > 0) chains.push(chain);
      }
      if (chains.some(({ faults }) => faults.length > 0)) context.exitWith(EXIT.needsAttention);
      if (context.isJson) return context.terminal.json(chains);
      for (const { tenant: name, lines, faults, head } of chains) {
        const end = head === null ? 'no lines' : `${lines} lines, the last is ${head.line}:${head.hash}`;
        context.terminal.line(`${name}: ${faults.length === 0 ? 'sound' : `${faults.length} faults`}, ${end}`);
        const rows = faults.map(({ fault, line, event_id, at }) => [fault, line, event_id, at]);
        if (rows.length > 0)
          for (const text of formatTable(['FAULT', 'LINE', 'EVENT', 'TIME'], rows)) context.terminal.line(text);
      }
    },
  });
}

type Chain = Pick<Verified, 'lines' | 'faults' | 'head'> & { readonly tenant: string };

async function verifyChain({ api }: CommandContext, tenant: string, known: string | undefined): Promise<Chain> {
  const faults = new Map<string, Verified['faults'][number]>();
  let lines = 0;
  let head: Verified['head'] = null;
  for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
    const query = { tenant, cursor, known: isFirst ? known : undefined };
    const page: Verified = await api.get('/api/v1/audit/verify', verifiedSchema, { query });
    lines += page.lines;
    head = page.head;
    for (const fault of page.faults) faults.set(`${fault.fault} ${fault.line} ${fault.event_id}`, fault);
    cursor = page.next_cursor ?? undefined;
  }
  return { tenant, lines, faults: [...faults.values()], head };
}
