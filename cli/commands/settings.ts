/** `longshore settings`. */
import type { Command } from 'commander';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { formatTable } from '#cli/terminal.ts';
import { settingsReplySchema } from '#shared/api/settings.ts';

export function addSettings(program: Command, cli: Cli): void {
  addCommand<{ all?: boolean }>(program, cli, {
    usage: 'settings',
    description: 'show the rules of this instance, such as approvals, reasons and sign-in, and where each comes from',
    define: (command) => command.option('--all', 'those that are not set, too'),
    run: async ({ api, isJson, terminal }, { all = false }) => {
      const { settings } = await api.get('/api/v1/settings', settingsReplySchema);
      if (isJson) return terminal.json(settings);
      const rows = settings
        .filter(({ source }) => all || source !== 'none')
        .map(({ group, name, value, source }) => [group, name, value, source]);
      for (const line of formatTable(['GROUP', 'NAME', 'VALUE', 'FROM'], rows)) terminal.line(line);
    },
  });
}
