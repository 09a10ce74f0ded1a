/** `longshore proposals`: changes that somebody asks for and an admin makes. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';
import { proposalDetailSchema, proposalSchema, showProposal } from '#cli/propose.ts';

const pageSchema = z.object({ proposals: z.array(proposalSchema), next_cursor: z.string().nullable() });

const pathOf = (id: string) => `/api/v1/proposals/${encodeURIComponent(id)}`;

export function addProposals(program: Command, cli: Cli): void {
  const proposals = addCommand<{ state?: string; limit: number }>(program, cli, {
    usage: 'proposals',
    description: 'list changes that somebody proposes and an admin makes, newest first',
    define: (command) =>
      command
        .option('--state <state>', 'open, applied, rejected or expired')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { state, limit: most }) => {
      const times = await context.times();
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const query = { state, ...page };
          const { proposals: entries, next_cursor: next } = await context.api.get('/api/v1/proposals', pageSchema, {
            query,
          });
          return { entries, next };
        },
        headings: ['PROPOSAL', 'STATE', 'CHANGE', 'BY', 'REASON', 'SINCE'],
        rowOf: (each) => [
          ...[each.proposal_id, each.state, `${each.method} ${each.path}`, each.proposed_by, each.reason],
          times.show(each.created_at),
        ],
        what: 'proposals',
        filters: { others: [state] },
      });
    },
  });
  proposals.enablePositionalOptions();

  addCommand(proposals, cli, {
    usage: 'show <proposal>',
    description: 'show a proposal: what it would change, and whether it could be made now',
    run: async (context, _options, [id = '']) =>
      showProposal(context, await context.api.get(pathOf(id), proposalDetailSchema)),
  });
  addCommand(proposals, cli, {
    usage: 'approve <proposal>',
    description: 'make the change that is proposed, in your own name',
    run: async (context, _options, [id = '']) =>
      showProposal(context, await context.api.post(`${pathOf(id)}/approve`, proposalDetailSchema)),
  });
  addCommand<{ reason: string }>(proposals, cli, {
    usage: 'reject <proposal>',
    description: 'reject a proposal, or withdraw your own',
    define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
    run: async (context, { reason }, [id = '']) =>
      showProposal(context, await context.api.post(`${pathOf(id)}/reject`, proposalDetailSchema, { body: { reason } })),
  });
}
