/** `longshore notices`: notices that are not delivered yet; parked ones are sent again. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';
import { LongshoreError } from '#shared/errors.ts';

const listSchema = z.object({
  notices: z.array(
    z.looseObject({
      customer_id: z.string(),
      channel: z.string(),
      route: z.string().nullable(),
      notice: z.string(),
      state: z.string(),
      attempts: z.number(),
      cause: z.string().nullable(),
      message: z.string().nullable(),
      next_action_at: z.string(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

interface NoticeOptions {
  readonly tenant?: string;
  readonly channel?: string;
  readonly parked?: boolean;
  readonly limit: number;
  readonly retry?: boolean;
  readonly reason?: string;
}

export function addNotices(program: Command, cli: Cli): void {
  addCommand<NoticeOptions>(program, cli, {
    usage: 'notices',
    description: 'list notices that are not delivered yet, newest first; with --retry send parked ones again',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--parked', 'only those that ran out of attempts')
        .option('--limit <count>', 'how many at most', parseCount, 50)
        .option('--retry', 'send parked ones again')
        .option('--channel <name>', 'with --retry: only those to this channel')
        .option('--reason <text>', 'with --retry: why; kept in the audit'),
    run: async (context, { tenant, channel, parked, limit, retry, reason }) => {
      const { api, isJson, terminal } = context;
      if (retry === true) {
        if (reason === undefined)
          throw new LongshoreError('USAGE', 'Sending notices again needs a reason.', { hint: 'Give --reason TEXT.' });
        const body = { tenant, channel, reason };
        const { retried } = await api.post('/api/v1/notices/retry', z.object({ retried: z.number() }), { body });
        if (isJson) terminal.json({ retried });
        else terminal.line(`${retried} sent again`);
        return;
      }
      const times = await context.times(tenant);
      await listEntries(context, {
        most: limit,
        readPage: async (page) => {
          const query = { tenant, state: parked === true ? 'parked' : undefined, ...page };
          const reply = await api.get('/api/v1/notices', listSchema, { query });
          return { entries: reply.notices, next: reply.next_cursor };
        },
        headings: ['TENANT', 'ROUTE', 'CHANNEL', 'NOTICE', 'STATE', 'ATTEMPTS', 'NEXT', 'CAUSE', 'MESSAGE'],
        rowOf: (notice) => [
          notice.customer_id,
          notice.route,
          notice.channel,
          notice.notice,
          notice.state,
          notice.attempts,
          times.show(notice.next_action_at),
          notice.cause,
          notice.message,
        ],
        what: 'notices',
        filters: { tenant, others: [parked] },
      });
    },
  });
}
