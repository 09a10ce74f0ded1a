/** `longshore notices`: what channels are still to be told, and parked notices again. */
import type { Command } from 'commander';
import { z } from 'zod';
import { collectPages } from '#cli/collect-pages.ts';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { parseCount } from '#cli/parse-option.ts';
import { formatTable } from '#cli/terminal.ts';
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

export function addNotices(program: Command, config: CliConfig): void {
  addCommand<NoticeOptions>(program, config, {
    usage: 'notices',
    description: 'list what channels are still to be told, newest first; with --retry parked ones are sent again',
    define: (command) =>
      command
        .option('--tenant <tenant>')
        .option('--parked', 'only those whose tries are spent')
        .option('--limit <count>', 'how many at most', parseCount, 50)
        .option('--retry', 'send parked ones again')
        .option('--channel <name>', 'with --retry: only those to this channel')
        .option('--reason <text>', 'with --retry: why; kept in the audit'),
    run: async ({ api, isJson, terminal }, { tenant, channel, parked, limit, retry, reason }) => {
      if (retry === true) {
        if (reason === undefined)
          throw new LongshoreError('USAGE', 'To send notices again needs a reason.', { hint: 'Give --reason TEXT.' });
        const body = { tenant, channel, reason };
        const { retried } = await api.post('/api/v1/notices/retry', z.object({ retried: z.number() }), { body });
        if (isJson) terminal.json({ retried });
        else terminal.line(`${retried} sent again`);
        return;
      }
      const { entries: notices, hasMore } = await collectPages(limit, async (page) => {
        const query = { tenant, state: parked === true ? 'parked' : undefined, ...page };
        const reply = await api.get('/api/v1/notices', listSchema, { query });
        return { entries: reply.notices, next: reply.next_cursor };
      });
      if (isJson) return terminal.json(notices);
      const rows = notices.map((notice) => [
        notice.customer_id,
        notice.route,
        notice.channel,
        notice.notice,
        notice.state,
        notice.attempts,
        notice.next_action_at,
        notice.cause,
        notice.message,
      ]);
      const headings = ['TENANT', 'ROUTE', 'CHANNEL', 'NOTICE', 'STATE', 'ATTEMPTS', 'NEXT', 'CAUSE', 'MESSAGE'];
      for (const line of formatTable(headings, rows)) terminal.line(line);
      if (hasMore) terminal.note('There are more; narrow the filters or raise --limit.');
    },
  });
}
