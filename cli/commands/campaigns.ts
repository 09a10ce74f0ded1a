/** `longshore campaigns`: what was sent to whom, and how far it is. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';

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

export function addCampaigns(program: Command, cli: Cli): void {
  const campaigns = addCommand<{ tenant?: string; limit: number }>(program, cli, {
    usage: 'campaigns',
    description: 'list campaigns, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { tenant, limit: most }) => {
      const times = await context.times(tenant);
      const schema = z.object({ campaigns: z.array(campaignSchema), next_cursor: z.string().nullable() });
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const reply = await context.api.get('/api/v1/campaigns', schema, { query: { tenant, ...page } });
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
        filters: { tenant },
      });
    },
  });

  addCommand(campaigns, cli, {
    usage: 'status <campaign>',
    description: 'show how far a campaign is and what became of its mails',
    run: async ({ api, isJson, terminal }, _options, [id = '']) => {
      const campaign = await api.get(`/api/v1/campaigns/${encodeURIComponent(id)}/status`, campaignSchema);
      if (isJson) return terminal.json(campaign);
      terminal.line(describe(campaign));
    },
  });

  for (const [verb, description] of [
    ['pause', 'send nothing more until it is resumed'],
    ['resume', 'go on with what was not sent'],
    ['cancel', 'send nothing more, for good'],
  ] as const) {
    addCommand<{ reason?: string }>(campaigns, cli, {
      usage: `${verb} <campaign>`,
      description,
      define: (command) => command.option('--reason <text>', 'recorded in the audit'),
      run: async ({ api, isJson, terminal }, { reason }, [id = '']) => {
        const path = `/api/v1/campaigns/${encodeURIComponent(id)}/${verb}`;
        const campaign = await api.post(path, campaignSchema, { body: reason === undefined ? {} : { reason } });
        if (isJson) return terminal.json(campaign);
        terminal.line(describe(campaign));
      },
    });
  }
}

function describe({ name, status, waiting_for: waitingFor, recipients, messages, events }: Campaign): string {
  const words = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([word, count]) => `${count} ${word.replaceAll('_', ' ')}`)
      .join(', ');
  const waits = waitingFor === null ? '' : ` (${waitingFor})`;
  return [`${name}: ${status}${waits}`, words(recipients), words(messages), words(events)].filter(Boolean).join('\n  ');
}
