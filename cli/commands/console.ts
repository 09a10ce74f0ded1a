/** `longshore console`: a one-time link that signs in to the console, or with a tenant's key to the portal. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';

export function addConsole(program: Command, cli: Cli): void {
  addCommand(program, cli, {
    usage: 'console',
    description:
      'print a one-time link to the console (with a key of a tenant: to the portal); on the same machine only',
    run: async ({ api, isJson, terminal }) => {
      const schema = z.object({ url: z.string(), expires_at: z.string() });
      const link = await api.post('/api/v1/sign-in-links', schema);
      if (isJson) return terminal.json(link);
      terminal.line(link.url);
      terminal.note('Open it within 2 minutes. It works once.');
    },
  });
}
