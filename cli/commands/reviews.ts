/** `longshore reviews`: files that wait for an operator; `longshore comment`: a comment on one. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { findJobId } from '#cli/find-by-name.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';

const pageSchema = z.object({
  reviews: z.array(
    z.looseObject({
      job_id: z.string(),
      file_name: z.string(),
      customer_id: z.string(),
      route: z.string(),
      held_since: z.string(),
      person: z.string().nullable(),
      comment: z.string().nullable(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

export function addReviews(program: Command, cli: Cli): void {
  addCommand<{ tenant?: string; limit: number }>(program, cli, {
    usage: 'reviews',
    description: 'list files that wait for an operator, oldest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { tenant, limit: most }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const reply = await context.api.get('/api/v1/reviews', pageSchema, { query: { tenant, ...page } });
          return { entries: reply.reviews, next: reply.next_cursor };
        },
        headings: ['JOB', 'TENANT', 'ROUTE', 'FILE', 'HELD SINCE', 'PERSON', 'COMMENT'],
        rowOf: (review) => [
          review.job_id,
          review.customer_id,
          review.route,
          review.file_name,
          times.show(review.held_since),
          review.person,
          review.comment,
        ],
        what: 'open reviews',
        filters: { tenant },
      });
    },
  });

  addCommand<{ text: string }>(program, cli, {
    usage: 'comment <job>',
    description: 'comment on a held job; `reviews` shows the last comment and its author',
    define: (command) => command.requiredOption('--text <text>', 'what is known; kept in the audit'),
    run: async (context, { text }, [id = '']) => {
      const { api, isJson, terminal } = context;
      const schema = z.looseObject({ job_id: z.string() });
      const path = `/api/v1/jobs/${await findJobId(context, id)}/comment`;
      const reply = await api.post(path, schema, { body: { comment: text } });
      if (isJson) return terminal.json(reply);
      terminal.line(`commented on ${reply.job_id}`);
    },
  });
}
