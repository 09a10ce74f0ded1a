/** `longshore campaigns`: what was sent to whom, and how far it is. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { findCampaignId } from '#cli/find-by-name.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';
import { addCreating } from './campaign-uploads.ts';

const campaignSchema = z.looseObject({
  transaction_id: z.string(),
  tenant: z.string(),
  name: z.string(),
  status: z.string(),
  waiting_for: z.string().nullable(),
  recipients: z.record(z.string(), z.number()),
  messages: z.record(z.string(), z.number()),
  events: z.record(z.string(), z.number()),
  created_at: z.string(),
});
type Campaign = z.output<typeof campaignSchema>;

const recipientSchema = z.object({
  ...{ line: z.number(), address: z.string().nullable(), state: z.string(), code: z.string().nullable() },
  events: z.array(z.looseObject({ kind: z.string() })),
});
const sentMailSchema = recipientSchema
  .omit({ address: true })
  .extend({ transaction_id: z.string(), campaign: z.string(), created_at: z.string() });
const erasedSchema = z.object({
  ...{ records: z.number(), campaigns: z.number(), reports: z.number(), ask_again: z.array(z.string()) },
  files: z.array(z.object({ file_id: z.string(), name: z.string(), expires_at: z.string().nullable() })),
});

export function addCampaigns(program: Command, cli: Cli): void {
  const campaigns = addCommand<{ tenant?: string; status?: string; limit: number }>(program, cli, {
    usage: 'campaigns',
    description: 'list campaigns, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--status <status>', 'only those with this status, such as sending')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { tenant, status, limit: most }) => {
      const times = await context.times(tenant);
      const schema = z.object({ campaigns: z.array(campaignSchema), next_cursor: z.string().nullable() });
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const reply = await context.api.get('/api/v1/campaigns', schema, { query: { tenant, status, ...page } });
          return { entries: reply.campaigns, next: reply.next_cursor };
        },
        headings: ['CAMPAIGN', 'TENANT', 'NAME', 'STATUS', 'SENT', 'OF', 'CREATED'],
        rowOf: (campaign) => [
          ...[campaign.transaction_id, campaign.tenant, campaign.name, campaign.status],
          ...[
            String(campaign.messages.sent ?? 0),
            String(campaign.recipients.valid ?? 0),
            times.show(campaign.created_at),
          ],
        ],
        what: 'campaigns',
        filters: { tenant, others: [status] },
      });
    },
  });

  addCommand(campaigns, cli, {
    usage: 'status <campaign>',
    description: 'show the progress of a campaign and what happened to its mails; by id or name',
    run: async (context, _options, [campaign = '']) => {
      const { api, isJson, terminal } = context;
      const found = await api.get(await pathOf(context, campaign, 'status'), campaignSchema);
      if (isJson) return terminal.json(found);
      terminal.line(describe(found));
    },
  });

  for (const [verb, description] of [
    ['pause', 'send nothing more until it is resumed'],
    ['resume', 'continue with what was not sent'],
    ['cancel', 'send nothing more, for good'],
  ] as const) {
    addCommand<{ reason?: string }>(campaigns, cli, {
      usage: `${verb} <campaign>`,
      description,
      define: (command) => command.option('--reason <text>', 'recorded in the audit'),
      run: async (context, { reason }, [campaign = '']) => {
        const { api, isJson, terminal } = context;
        const path = await pathOf(context, campaign, verb);
        const changed = await api.post(path, campaignSchema, { body: reason === undefined ? {} : { reason } });
        if (isJson) return terminal.json(changed);
        terminal.line(describe(changed));
      },
    });
  }
  addCreating(campaigns, cli);
  addTesting(campaigns, cli);
  addReports(campaigns, cli);
  addErasing(campaigns, cli);
}

/** `campaign`: its id or its name. */
async function pathOf(context: CommandContext, campaign: string, what: string): Promise<string> {
  return `/api/v1/campaigns/${encodeURIComponent(await findCampaignId(context, campaign))}/${what}`;
}

function addTesting(campaigns: Command, cli: Cli): void {
  addCommand<{ rows: number }>(campaigns, cli, {
    usage: 'test <campaign> <addresses...>',
    description: 'send the first mails of a campaign to people who test them',
    define: (command) => command.option('--rows <count>', 'how many of the first recipients to render', parseCount, 1),
    run: async (context, { rows }, [campaign = '', to]) => {
      const { api, isJson, terminal } = context;
      const schema = z.object({
        sent: z.number(),
        results: z.array(z.object({ to: z.string(), line: z.number(), outcome: z.string() })),
      });
      const path = await pathOf(context, campaign, 'test');
      const reply = await api.post(path, schema, { body: { to, rows } });
      if (isJson) return terminal.json(reply);
      for (const { to: address, line, outcome } of reply.results) terminal.line(`${address}  line ${line}  ${outcome}`);
    },
  });
}

function addReports(campaigns: Command, cli: Cli): void {
  addCommand<{ state?: string; code?: string; event?: string; address?: string; values?: boolean; limit: number }>(
    campaigns,
    cli,
    {
      usage: 'recipients <campaign>',
      description: 'list what happened to each recipient',
      define: (command) =>
        command
          .option('--state <state>', 'SUCCESS, FAILED, REJECTED, AMBIGUOUS, PENDING or SUPPRESSED')
          .option('--code <code>', 'such as EMAIL_SYNTAX')
          .option('--event <kind>', 'only those of whom this was reported, such as bounced_hard')
          .option('--address <address>', 'only this recipient')
          .option('--values', 'show addresses; for operators')
          .option('--limit <count>', 'how many at most', parseCount, 50),
      run: async (context, { limit: most, ...filters }, [campaign = '']) => {
        const path = await pathOf(context, campaign, 'recipients');
        const schema = z.object({ recipients: z.array(recipientSchema), next_cursor: z.string().nullable() });
        await listEntries(context, {
          most,
          readPage: async (page) => {
            const reply = await context.api.get(path, schema, { query: { ...filters, ...page } });
            return { entries: reply.recipients, next: reply.next_cursor };
          },
          headings: ['LINE', 'ADDRESS', 'STATE', 'CODE', 'EVENTS'],
          rowOf: ({ line, address, state, code, events }) => [
            ...[String(line), address ?? '***', state, code],
            events.map(({ kind }) => kind).join(', ') || null,
          ],
          what: 'recipients',
          filters: { others: Object.values(filters) },
        });
      },
    },
  );

  addCommand<{ tenant?: string; limit: number }>(campaigns, cli, {
    usage: 'to <address>',
    description: 'list what all campaigns sent to an address, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only campaigns of this tenant')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { tenant, limit: most }, [address = '']) => {
      const times = await context.times(tenant);
      const schema = z.object({ mails: z.array(sentMailSchema), next_cursor: z.string().nullable() });
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const reply = await context.api.get('/api/v1/mails', schema, { query: { address, tenant, ...page } });
          return { entries: reply.mails, next: reply.next_cursor };
        },
        headings: ['CAMPAIGN', 'NAME', 'CREATED', 'LINE', 'STATE', 'CODE', 'EVENTS'],
        rowOf: ({ transaction_id, campaign, created_at, line, state, code, events }) => [
          ...[transaction_id, campaign, times.show(created_at), String(line), state, code],
          events.map(({ kind }) => kind).join(', ') || null,
        ],
        what: 'mails',
        filters: { tenant },
      });
    },
  });

  addCommand<{ by?: string }>(campaigns, cli, {
    usage: 'analytics <campaign>',
    description: 'add up what was reported of the mails',
    define: (command) => command.option('--by <group>', 'hour, domain, code or link'),
    run: async (context, { by }, [campaign = '']) => {
      const { api, isJson, terminal } = context;
      const counts = z.record(z.string(), z.number());
      const schema = z.object({
        ...{ totals: counts, rates: counts },
        groups: z.array(z.object({ name: z.string(), counts })),
      });
      const reply = await api.get(await pathOf(context, campaign, 'analytics'), schema, { query: { by } });
      if (isJson) return terminal.json(reply);
      for (const [kind, n] of Object.entries(reply.totals)) terminal.line(`${kind}  ${n}`);
      for (const { name, counts: group } of reply.groups) terminal.line(`${name}  ${wordsOf(group)}`);
    },
  });
}

function addErasing(campaigns: Command, cli: Cli): void {
  addCommand<{ tenant?: string }>(campaigns, cli, {
    usage: 'erase <address>',
    description: 'erase a recipient from all campaigns of a tenant, and send the address no more mails',
    define: (command) => command.option('--tenant <tenant>', 'with an operator key'),
    run: async (context, { tenant }, [address = '']) => {
      const { api, isJson, terminal } = context;
      const path = `/api/v1/recipients/${encodeURIComponent(address)}`;
      const erased = await api.delete(path, erasedSchema, { query: { tenant } });
      if (isJson) return terminal.json(erased);
      const times = await context.times(tenant);
      const { records, campaigns: of, reports } = erased;
      terminal.line(`${records} records of ${of} campaigns erased, and ${reports} reports of their mails`);
      for (const id of erased.ask_again) terminal.line(`  campaign ${id} is at work: ask again when it has ended`);
      for (const { file_id: id, name, expires_at: at } of erased.files)
        terminal.line(`  file ${id} (${name}) has the address${at === null ? '' : ` until ${times.show(at)}`}`);
    },
  });
}

function wordsOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([word, count]) => `${count} ${word.replaceAll('_', ' ')}`)
    .join(', ');
}

function describe({ name, status, waiting_for: waitingFor, recipients, messages, events }: Campaign): string {
  const waits = waitingFor === null ? '' : ` (${waitingFor})`;
  return [`${name}: ${status}${waits}`, wordsOf(recipients), wordsOf(messages), wordsOf(events)]
    .filter(Boolean)
    .join('\n  ');
}
