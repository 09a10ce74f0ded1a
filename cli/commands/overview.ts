/** `longshore overview`: what needs attention, what arrived and what fails. */
import type { Command } from 'commander';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';
import { overviewSchema } from '#shared/api/overview.ts';

export function addOverview(program: Command, cli: Cli): void {
  addCommand(program, cli, {
    usage: 'overview',
    description: 'show what needs attention, what arrived in 24 hours and what fails, compared with the week before',
    run: async (context) => {
      const { api, isJson, terminal } = context;
      const overview = await api.get('/api/v1/overview', overviewSchema);
      if (isJson) return terminal.json(overview);
      const times = await context.times();
      const needs = Object.entries(overview.needs_person).map(([name, count]) => [name.replaceAll('_', ' '), count]);
      const { arrived, failed } = overview.last_day;
      const fields = { ...Object.fromEntries(needs), 'files in 24 h': arrived, 'of them failed': failed };
      for (const line of formatFields(fields)) terminal.line(line);
      if (overview.failing.length === 0) return;
      terminal.line('');
      const rows = overview.failing.map((group) => [
        group.tenant,
        group.route,
        [group.code, group.cause].filter((part) => part !== null).join(' '),
        group.count,
        group.week_before,
        times.show(group.since),
      ]);
      for (const line of formatTable(['TENANT', 'ROUTE', 'FAILS WITH', 'JOBS', 'WEEK BEFORE', 'SINCE'], rows))
        terminal.line(line);
    },
  });
}
